/** `npm run bench:gpu`: the page's GPU paths in Node, on Dawn, ours beside onnxruntime's: a LLaMA-2-7B layer, the shipped policy. */
import { parseArguments } from '../node/arguments.ts';
import { createDawnRuntime } from '../node/dawn-runtime.ts';
import { openPackageFolder } from '../node/package-folder.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { Executor } from '../../src/model/runtime/web.ts';
import type { Tuned } from '../../src/model/runtime/webgpu/tuner.ts';
import type { OwnWebGpuRuntime } from '../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { benchFma } from './fma.ts';
import { inWords } from './gpu-counts.ts';
import { benchLlamaBlock } from './llama-block.ts';
import { benchLlamaBlockTraining } from './llama-block-training.ts';
import { benchPolicyStep } from './policy-step.ts';
import { benchPolicyTraining } from './policy-training.ts';

const USAGE = `usage: npm run bench:gpu -- [options]

Prints what the card does at most (multiply-adds in registers), then what our executor and onnxruntime-web reach on it, on Dawn in Node:
a LLaMA-2-7B layer (q4, 600 tokens) beside a plain float32 MatMul, the same layer with LoRA backwards, predictions of the shipped policy
and its fine-tuning steps.

  --runs N        timed runs of each (default 10)
  --only NAME     own or onnxruntime; default both
  --skip-block    leave out the LLaMA-2-7B layer, which a software adapter takes minutes for
  --brief         of the fine-tuning steps only that of 8 as one graph: the others take a software adapter an hour`;

const args = parseArguments(USAGE, {
  options: {
    runs: { type: 'string', default: '10' },
    only: { type: 'string' },
    'skip-block': { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
  },
});
const runs = args.wholeNumber('runs', 1);
const SHIPPED = 'public/models/default';
const list = (ms: readonly number[]): string => ms.map((value) => value.toFixed(1)).join(', ');

const only = args.oneOf('only', ['own', 'onnxruntime']);
for (const executor of only ? [only] : (['own', 'onnxruntime'] as const)) await bench(executor);

async function bench(executor: Executor): Promise<void> {
  const { runtime, label, release } = await createDawnRuntime(executor);
  try {
    console.log(`\n${executor === 'own' ? 'Our executor' : 'onnxruntime-web'} on ${label}`);
    if (executor === 'own') {
      const peak = await benchFma(runtime.device!);
      console.log(`  multiply-adds in registers: ${peak.toFixed(0)} GFLOPS in float32`);
    }
    await benchOn(runtime);
    if ('tuning' in runtime) printTuning((runtime as OwnWebGpuRuntime).tuning);
  } finally {
    await release();
  }
}

function printTuning(tuning: readonly Tuned[]): void {
  for (const { shape, variant, times, wrong } of tuning) {
    const measured = Object.entries(times ?? {}).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
    console.log(`  ${shape}: ${variant}${measured.length > 1 ? ` of ${measured.join(', ')}` : ''}`);
    if (wrong.length > 0) console.log(`    WRONG on this device, never used: ${wrong.join(', ')}`);
  }
}

async function benchOn(runtime: Runtime): Promise<void> {
  if (!args.values['skip-block']) {
    const block = await benchLlamaBlock(runtime, { runs, sampledRows: [0, 299, 599] });
    console.log(
      `LLaMA-2-7B layer, q4, 600 tokens: ${block.blockGflops.toFixed(0)} GFLOPS (${list(block.blockMs)} ms)`,
    );
    console.log(`  a plain MatMul ${block.matMulGflops.toFixed(0)} GFLOPS, ratio ${block.ratio.toFixed(2)}`);
    console.log(`  largest error against the twin ${block.twinError?.toExponential(1)} of the largest value`);
    const training = await benchLlamaBlockTraining(runtime, { runs });
    console.log(`  with LoRA of rank ${training.rank}, forward ${list(training.forwardMs)} ms`);
    console.log(
      `  backward ${list(training.backwardMs)} ms, with recomputation; ratio ${training.ratio.toFixed(2)} (aim 2.5)`,
    );
  }
  const step = await benchPolicyStep(runtime, await openPackageFolder(SHIPPED), runs);
  console.log(
    `"${step.name}": first actions after ${step.coldMs.toFixed(0)} ms, then ${step.stepMs.toFixed(1)} ms each (median)`,
  );
  for (const { name, elapsedMs } of step.stages)
    console.log(`  ${name.padEnd(16)} ${elapsedMs.toFixed(2).padStart(8)} ms`);
  console.log(
    `  outside kernels ${(100 * step.outsideShare).toFixed(1)} %, leaked tensors ${step.leakedTensors}`,
  );
  if (step.gpu) console.log(`  ${inWords(step.gpu)}`);
  for (const partition of args.values.brief ? (['whole'] as const) : (['whole', 'blocks'] as const)) {
    for (const batch of args.values.brief ? [8] : [8, 32]) {
      const options = { partition, batch, steps: runs };
      const { passMs, optimiserMs, forwardMs, gpu } = await benchPolicyTraining(
        runtime,
        await openPackageFolder(SHIPPED),
        options,
      );
      console.log(
        `LoRA step, batch of ${batch}, ${partition}: forward and back ${passMs.toFixed(1)} ms, AdamW ${optimiserMs.toFixed(1)} ms; ` +
          `${((passMs + optimiserMs) / forwardMs).toFixed(1)} times a forward pass (${forwardMs.toFixed(1)} ms)`,
      );
      if (gpu) console.log(`  ${inWords(gpu)}`);
    }
  }
}
