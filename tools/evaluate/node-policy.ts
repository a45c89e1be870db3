/** A policy package in Node, ready to be asked. */
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Predict } from '../../src/practice/evaluate.ts';
import { openPackageFolder } from '../node/package-folder.ts';

export interface NodePolicy {
  readonly policy: Policy;
  readonly predict: Predict;
  dispose(): void;
}

export async function openNodePolicy(
  folder: string,
  options: { readonly threads?: number; readonly adapter?: string } = {},
): Promise<NodePolicy> {
  const reader = await openPackageFolder(folder);
  const config = parsePolicyConfig(reader.manifest.config);
  const runtime = await createNodeRuntime(options.threads ? { threads: options.threads } : {});
  const policy = await Policy.load(config, reader, runtime);
  const tokenize = await createTokenizer(await reader.tokenizer());
  const observer = createObserver(config, runtime, () => {
    throw new Error('Node has no video frames.');
  });
  const key = config.defaultUnnormKey;
  return {
    policy,
    predict: async ({ frames, instruction, state }) => {
      const { pixels } = await observer.observe(
        frames.map(({ width, height, data }) => ({ width, height, data: new Uint8Array(data.buffer) })),
      );
      try {
        const normalized = await policy.predict({
          pixels,
          promptIds: policy.promptIds(instruction, tokenize).ids,
          proprio: policy.normalizeState(state, key),
        });
        return policy.unnormalize(normalized, key);
      } finally {
        pixels.dispose();
      }
    },
    dispose: () => {
      void policy.dispose();
      void runtime.dispose();
    },
  };
}
