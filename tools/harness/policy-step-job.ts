import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { openPackage } from '../../src/model/weights/package.ts';
import { memoryShardStore } from '../../src/model/weights/shard-store.ts';
import { benchPolicyStep, type PolicyBench } from '../bench/policy-step.ts';
import type { JobArguments } from './page.ts';

/** Benches a package served by the page's own host. */
export async function runPolicyStep(runtime: Runtime, args: JobArguments): Promise<PolicyBench> {
  const url = new URL(String(args['url']), location.origin).href;
  return benchPolicyStep(runtime, await openPackage(url, { store: memoryShardStore() }));
}
