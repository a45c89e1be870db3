import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { openPackage } from '../../src/model/weights/package.ts';
import { memoryShardStore } from '../../src/model/weights/shard-store.ts';
import {
  benchPolicyTraining,
  type PolicyTrainingBench,
  type PolicyTrainingOptions,
} from '../bench/policy-training.ts';
import { benchPolicyStep, type PolicyBench } from '../bench/policy-step.ts';
import type { JobArguments } from './page.ts';

/** Benches a package served by the page's own host. */
export async function runPolicyStep(runtime: Runtime, args: JobArguments): Promise<PolicyBench> {
  return benchPolicyStep(runtime, await served(args), args['runs'] as number | undefined);
}

export async function runPolicyTraining(runtime: Runtime, args: JobArguments): Promise<PolicyTrainingBench> {
  return benchPolicyTraining(runtime, await served(args), args['options'] as PolicyTrainingOptions);
}

function served(args: JobArguments) {
  return openPackage(new URL(String(args['url']), location.origin).href, { store: memoryShardStore() });
}
