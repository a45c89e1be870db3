/** A policy package in Node, ready to be asked. */
import { existsSync } from 'node:fs';
import { ModelError } from '../../src/base/errors.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { shapesOf } from '../../src/model/finetune/parameters.ts';
import type { TrainedState } from '../../src/model/finetune/trained.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import { checkpointFolder } from '../../src/model/weights/checkpoint.ts';
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import type { ImageBytes } from '../../src/model/policy/image-processor.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { adaptedConfig } from '../../src/model/policy/own-config.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import type { DatasetStatistics } from '../../src/model/policy/statistics.ts';
import { createTokenizer, type Tokenize } from '../../src/model/policy/tokenizer.ts';
import { openPlace } from '../node/disk-folder.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { Predict } from '../../src/practice/evaluate.ts';
import { openPackageFolder } from '../node/package-folder.ts';

export interface NodeObservation {
  /** One per image slot of the policy, in its order. */
  readonly frames: readonly ImageBytes[];
  readonly instruction: string;
  /** In the robot's units; null where the policy takes none. */
  readonly state: readonly number[] | null;
  /** One of `statistics`; default `unnormKey`. */
  readonly unnormKey?: string;
  /** Of a diffusion head's initial noise; default 0. */
  readonly seed?: number;
}

export interface NodePolicy {
  readonly policy: Policy;
  /** The package's own name. */
  readonly name: string;
  readonly adapter: { readonly run: string; readonly step: number } | null;
  /** By key: the adapter's where it brought some, else the package's. */
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  /** The key in use where none is named. */
  readonly unnormKey: string;
  /** Actions [chunk][dim] in the robot's units. @throws ModelError for an observation that does not fit */
  act(observation: NodeObservation): Promise<number[][]>;
  readonly predict: Predict;
  /** Predicting with another policy over the same weights, such as one for another robot. */
  readonly predictWith: (policy: Policy) => Predict;
  readonly source: WeightSource;
  readonly tokenize: Tokenize;
  /** tokenizer.json's content. */
  readonly tokenizer: unknown;
  dispose(): void;
}

/**
 * @param options.runtime where it runs, instead of onnxruntime-node; it is disposed of with the policy
 * @throws ModelError `bad-input` where there is no such package or adapter
 */
export async function openNodePolicy(
  folder: string,
  options: { readonly threads?: number; readonly adapter?: string; readonly runtime?: Runtime } = {},
): Promise<NodePolicy> {
  if (options.adapter && !existsSync(options.adapter))
    throw new ModelError('bad-input', `There is no file ${options.adapter}.`);
  const reader = await openPackageFolder(folder);
  const loaded = parsePolicyConfig(reader.manifest.config);
  const runtime =
    options.runtime ?? (await createNodeRuntime(options.threads ? { threads: options.threads } : {}));
  const base = await Policy.load(loaded, reader, runtime);
  const tokenizer = await reader.tokenizer();
  const tokenize = await createTokenizer(tokenizer);
  const { policy, adapter } = options.adapter
    ? await adapted(base, reader, options.adapter)
    : { policy: base, adapter: null };
  // As in the page: what an adapter was trained with replaces the package's (src/workers/policy/predict.ts).
  const { statistics, defaultUnnormKey: unnormKey } = policy.config;

  const actWith = (of: Policy): NodePolicy['act'] => {
    const { config } = of;
    const observer = createObserver(config, runtime, () => {
      throw new Error('Node has no video frames.');
    });
    return async (observation) => {
      const key = observation.unnormKey ?? config.defaultUnnormKey;
      // Before anything is computed: it may not fit.
      const proprio = of.normalizeState(observation.state, key, config.statistics);
      const promptIds = of.promptIds(observation.instruction, tokenize).ids;
      const { pixels } = await observer.observe(observation.frames);
      try {
        const normalized = await of.predict({ pixels, promptIds, proprio, seed: observation.seed ?? 0 });
        return of.unnormalize(normalized, key, config.statistics);
      } finally {
        pixels.dispose();
      }
    };
  };
  const predictWith = (of: Policy): Predict => {
    const act = actWith(of);
    return ({ frames, ...observation }) =>
      act({
        frames: frames.map(({ width, height, data }) => ({
          width,
          height,
          data: new Uint8Array(data.buffer),
        })),
        ...observation,
      });
  };
  return {
    policy,
    name: reader.manifest.name,
    adapter: adapter && { run: adapter.run, step: adapter.step },
    statistics,
    unnormKey,
    act: actWith(policy),
    source: reader,
    tokenize,
    tokenizer,
    predict: predictWith(policy),
    predictWith,
    dispose: () => {
      if (policy !== base) void policy.dispose();
      void base.dispose();
      void runtime.dispose();
    },
  };
}

/** With the robot, the head and the statistics of the adapter. */
async function adapted(
  base: Policy,
  source: WeightSource,
  path: string,
): Promise<{ policy: Policy; adapter: TrainedState }> {
  const folder = await checkpointFolder(await openPlace(path));
  const adapter = await importCheckpoint(folder, { config: base.config, shapes: shapesOf(source) });
  const policy = await base.withConfig(adaptedConfig(base.config, adapter), source);
  policy.use(new LoadedAdapter(base.runtime, base.config, adapter));
  return { policy, adapter };
}
