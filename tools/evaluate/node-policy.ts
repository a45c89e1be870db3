/** A policy package in Node, ready to be asked. */
import { existsSync } from 'node:fs';
import { ModelError } from '../../src/model/errors.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { shapesOf } from '../../src/model/finetune/parameters.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import { checkpointFolder } from '../../src/model/weights/checkpoint.ts';
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { createTokenizer, type Tokenize } from '../../src/model/policy/tokenizer.ts';
import { openPlace } from '../node/disk-folder.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Predict } from '../../src/practice/evaluate.ts';
import { openPackageFolder } from '../node/package-folder.ts';

export interface NodePolicy {
  readonly policy: Policy;
  readonly predict: Predict;
  readonly source: WeightSource;
  readonly tokenize: Tokenize;
  /** tokenizer.json's content. */
  readonly tokenizer: unknown;
  dispose(): void;
}

/** @throws ModelError `bad-input` where there is no such package or adapter */
export async function openNodePolicy(
  folder: string,
  options: { readonly threads?: number; readonly adapter?: string } = {},
): Promise<NodePolicy> {
  if (options.adapter && !existsSync(options.adapter))
    throw new ModelError('bad-input', `There is no file ${options.adapter}.`);
  const reader = await openPackageFolder(folder);
  const config = parsePolicyConfig(reader.manifest.config);
  const runtime = await createNodeRuntime(options.threads ? { threads: options.threads } : {});
  const policy = await Policy.load(config, reader, runtime);
  const tokenizer = await reader.tokenizer();
  const tokenize = await createTokenizer(tokenizer);
  if (options.adapter) {
    const base = { config, shapes: shapesOf(reader) };
    const state = await importCheckpoint(await checkpointFolder(await openPlace(options.adapter)), base);
    policy.use(new LoadedAdapter(runtime, config, state));
  }
  const observer = createObserver(config, runtime, () => {
    throw new Error('Node has no video frames.');
  });
  const key = config.defaultUnnormKey;
  return {
    policy,
    source: reader,
    tokenize,
    tokenizer,
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
