/** The browser side of command-line tools: runs a named job in a real page and hands back its JSON. */
import { createWebRuntime, type Executor } from '../../src/model/runtime/web.ts';
import { chooseBackend, currentHost } from '../../src/model/runtime/backend.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { ortFiles } from '../../src/workers/ort-files.ts';
import { benchLlamaBlock } from '../bench/llama-block.ts';
import { benchLlamaBlockTraining } from '../bench/llama-block-training.ts';
import { runDataJob } from './data-job.ts';
import { runDestroyedDevice, runKilledTraining } from './killed-training-job.ts';
import { runLoopJob } from './loop-job.ts';
import { runPolicyStep, runPolicyTraining } from './policy-step-job.ts';
import { runTrainingJob } from './training-job.ts';
import { runParityJob } from './parity-job.ts';
import { runOps } from './ops-job.ts';

export interface JobArguments {
  backend: 'wasm' | 'webgpu';
  /** On WebGPU; default our own. */
  executor?: Executor;
  [name: string]: unknown;
}

export type Job = (runtime: Runtime, args: JobArguments) => Promise<unknown>;

const jobs: Record<string, Job> = {
  data: runDataJob,
  loop: runLoopJob,
  ops: runOps,
  parity: runParityJob,
  'policy-step': runPolicyStep,
  'policy-training': runPolicyTraining,
  training: runTrainingJob,
  'killed-training': runKilledTraining,
  'destroyed-device': runDestroyedDevice,
  'llama-block-training': (runtime, args) =>
    benchLlamaBlockTraining(runtime, args['options'] as Parameters<typeof benchLlamaBlockTraining>[1]),
  'llama-block': (runtime, args) =>
    benchLlamaBlock(runtime, args['options'] as Parameters<typeof benchLlamaBlock>[1]),
};

declare global {
  interface Window {
    runJob: (name: string, args: JobArguments) => Promise<unknown>;
  }
}

window.runJob = async (name, args) => {
  const job = jobs[name];
  if (!job) throw new Error(`No job "${name}".`);
  const { choice, adapter } = await chooseBackend(currentHost(), args.backend);
  const { executor } = args;
  const runtime = await createWebRuntime(choice, adapter, {
    files: ortFiles,
    ...(executor ? { executor } : {}),
  });
  try {
    return await job(runtime, args);
  } finally {
    await runtime.dispose();
  }
};
document.title = 'ready';
