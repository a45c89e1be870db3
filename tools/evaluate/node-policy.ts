/** A policy package in Node, ready to be asked. */
import { existsSync } from 'node:fs';
import { ModelError } from '../../src/model/errors.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { shapesOf } from '../../src/model/finetune/parameters.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import { checkpointFolder } from '../../src/model/weights/checkpoint.ts';
import { parsePolicyConfig, type PolicyConfig } from '../../src/model/policy/config.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { adaptedConfig } from '../../src/model/policy/own-config.ts';
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
  const loaded = parsePolicyConfig(reader.manifest.config);
  const runtime = await createNodeRuntime(options.threads ? { threads: options.threads } : {});
  const base = await Policy.load(loaded, reader, runtime);
  const tokenizer = await reader.tokenizer();
  const tokenize = await createTokenizer(tokenizer);
  const policy = options.adapter ? await adapted(base, reader, options.adapter) : base;
  const { config } = policy;
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
      if (policy !== base) void policy.dispose();
      void base.dispose();
      void runtime.dispose();
    },
  };
}

const sizesOf = ({ profile: { actions, state, images } }: PolicyConfig): string =>
  `${actions.length} action values, a state of ${state?.length ?? 0} and ${images.length} images`;

/** With the head and the statistics of the adapter. @throws ModelError `bad-input` for one of another robot than the policy's */
async function adapted(base: Policy, source: WeightSource, path: string): Promise<Policy> {
  const shapes = shapesOf(source);
  const folder = await checkpointFolder(await openPlace(path));
  const state = await importCheckpoint(folder, { config: base.config, shapes });
  const config = adaptedConfig(base.config, state);
  if (sizesOf(config) !== sizesOf(base.config)) {
    throw new ModelError(
      'bad-input',
      `${path} was trained for another robot: ${sizesOf(config)}; the policy's has ${sizesOf(base.config)}.`,
      'Evaluate an adapter that was trained on the practice table.',
    );
  }
  const policy = await base.withConfig(config, source);
  policy.use(new LoadedAdapter(base.runtime, base.config, state));
  return policy;
}
