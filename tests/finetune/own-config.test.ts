import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterFile, readAdapterFile } from '../../src/model/finetune/adapter-file.ts';
import { loadLatestCheckpoint, saveCheckpoint } from '../../src/model/finetune/checkpoints.ts';
import { exportCheckpoint, exportMerged } from '../../src/model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import type { Sample } from '../../src/model/finetune/micro-batch.ts';
import { initialParameters, trainedFromCheckpoint } from '../../src/model/finetune/parameters.ts';
import { DEFAULT_TRAINING, Trainer, type SampleSource } from '../../src/model/finetune/trainer.ts';
import type { TrainedState } from '../../src/model/finetune/trained.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import { policyConfigFromCheckpoint, type PolicyConfig } from '../../src/model/policy/config.ts';
import { adaptedConfig, type OwnConfig } from '../../src/model/policy/own-config.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { Random } from '../../src/base/random.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { memoryShardStore } from '../../src/model/weights/shard-store.ts';
import { memoryFolder } from '../../tests/finetune/export-cases.ts';
import { openCase } from '../setup/golden-policy.ts';

let runtime: Runtime;
beforeAll(async () => {
  // Of networks this small, two threads mostly wait for each other.
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(async () => {
  await runtime.dispose();
});

const joints = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `joint ${i}`, unit: 'deg' }));

/** A robot of `actions` joints, `state` state values and `images` cameras. */
function robot(
  actions: number,
  state: number | null,
  images: number,
  chunkSize: number,
): OwnConfig['profile'] {
  return {
    name: 'mine',
    chunkSize,
    actions: joints(actions),
    state: state === null ? null : joints(state),
    normalization: 'bounds',
    images: Array.from({ length: images }, (_, i) => ({ name: `camera ${i}`, label: `Camera ${i}` })),
    controlHz: 15,
  };
}

const ROBOTS: Record<string, OwnConfig> = {
  'six joints, L1': { ...of('l1'), profile: robot(6, 6, 1, 5) },
  'fourteen joints and three cameras, L1 with FiLM': {
    ...of('l1'),
    film: true,
    profile: robot(14, 14, 3, 4),
  },
  'no state, diffusion': { ...of('diffusion'), profile: robot(3, null, 1, 4) },
  'two cameras, action tokens': { ...of('discrete'), profile: robot(4, 4, 2, 3) },
  'one joint': { ...of('l1'), profile: robot(1, 1, 1, 8) },
};

function of(head: OwnConfig['head']): Omit<OwnConfig, 'profile'> {
  const diffusion = head === 'diffusion' ? { trainSteps: 10, inferenceSteps: 5 } : null;
  return { head, diffusion, film: false, centerCrop: false };
}

const field = (size: number) => ({
  mean: Array.from({ length: size }, () => 0),
  std: Array.from({ length: size }, () => 1),
  min: Array.from({ length: size }, (_, i) => -90 - i),
  max: Array.from({ length: size }, (_, i) => 90 + i),
  q01: Array.from({ length: size }, (_, i) => -80 - i),
  q99: Array.from({ length: size }, (_, i) => 80 + i),
});

function statisticsOf({ profile }: OwnConfig): Record<string, unknown> {
  return {
    mine: {
      action: { ...field(profile.actions.length), mask: profile.actions.map(() => true) },
      proprio: field(profile.state?.length ?? profile.actions.length),
      num_transitions: 10,
      num_trajectories: 2,
    },
  };
}

/** The same few samples again and again, to be learned by heart. */
function samples(config: PolicyConfig): SampleSource {
  const { profile, network } = config;
  const side = network.vits[0]!.imageSize;
  const pixels = profile.images.length * 3 * network.vits.length * side * side;
  return {
    count: 2,
    tokens: 8 + profile.chunkSize * profile.actions.length + 2,
    sample: async (index): Promise<Sample> => {
      const random = new Random(5, index);
      const numbers = (length: number) => Float32Array.from({ length }, () => 2 * random.uniform() - 1);
      return {
        pixels: numbers(pixels),
        promptIds: [1, 5, 6, 7],
        proprio: profile.state && numbers(profile.state.length),
        actions: numbers(profile.chunkSize * profile.actions.length),
      };
    },
  };
}

async function predict(policy: Policy): Promise<number[][]> {
  const { config } = policy;
  const { pixels, promptIds, proprio } = await samples(config).sample(0, null);
  const side = config.network.vits[0]!.imageSize;
  const count = config.profile.chunkSize * config.profile.actions.length;
  const random = new Random(3);
  const images = runtime.upload(pixels, [
    config.profile.images.length,
    3 * config.network.vits.length,
    side,
    side,
  ]);
  try {
    return await policy.predict({
      pixels: images,
      promptIds,
      proprio: proprio && [...proprio],
      ...(config.head === 'diffusion'
        ? { noise: Float32Array.from({ length: count }, () => random.gaussian()) }
        : {}),
    });
  } finally {
    images.dispose();
  }
}

async function trained(base: Awaited<ReturnType<typeof openCase>>, policy: Policy, own: OwnConfig) {
  const statistics = statisticsOf(own);
  const config = adaptedConfig(base.config, { own, statistics });
  const variant = await policy.withConfig(config, base.source);
  const trainer = new Trainer({
    run: 'mine',
    policy: variant,
    own,
    parameters: await initialParameters(config, base.source, { lora: { r: 2 }, seed: 1, freshModules: true }),
    train: samples(config),
    validation: null,
    options: { ...DEFAULT_TRAINING, batchSize: 2, learningRate: 3e-3, imageAug: false, maxSteps: 1000 },
    statistics,
  });
  return { trainer, variant, config };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const difference = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number =>
  Math.max(...a.flat().map((value, i) => Math.abs(value - b.flat()[i]!)));

async function laidOver(
  base: Awaited<ReturnType<typeof openCase>>,
  policy: Policy,
  state: TrainedState,
): Promise<number[][]> {
  const variant = await policy.withConfig(adaptedConfig(base.config, state), base.source);
  const adapter = new LoadedAdapter(runtime, base.config, state);
  variant.use(adapter);
  const actions = await predict(variant);
  adapter.dispose();
  await variant.dispose();
  return actions;
}

/** A merged checkpoint as the policy that `npm run convert` makes of it, and what that predicts. */
async function converted(
  files: ReturnType<typeof exportMerged>,
  predicts: boolean,
): Promise<{ config: PolicyConfig; actions: number[][] | null }> {
  const checkpoint = await openCheckpoint(await memoryFolder(files));
  const shapes = new Map([...checkpoint.tensors.entries].map(([key, { shape }]) => [key, shape]));
  const config = policyConfigFromCheckpoint({ ...checkpoint, shapes });
  const policy = await Policy.load(config, checkpointSource(checkpoint.tensors, 32), runtime);
  try {
    return { config, actions: predicts ? await predict(policy) : null };
  } finally {
    await policy.dispose();
  }
}

describe.each([
  ['libero-l1', Object.keys(ROBOTS)],
  ['discrete', ['six joints, L1', 'two cameras, action tokens']],
  ['openvla-ar', ['six joints, L1']],
  ['vla-adapter-pro', ['six joints, L1', 'no state, diffusion']],
])('over %s, a policy is taught another robot:', (name, robots) => {
  it.each(robots)(
    '%s; the loss falls, it is saved and read, and the base is as it was',
    { timeout: 120_000 },
    async (kind) => {
      const base = await openCase(name);
      const policy = await Policy.load(base.config, base.source, runtime);
      const before = await predict(policy);
      const own = ROBOTS[kind]!;
      const { trainer, variant } = await trained(base, policy, own);
      const losses: number[] = [];
      for (let step = 0; step < 12; step++) losses.push((await trainer.trainStep()).loss);
      expect(mean(losses.slice(-3))).toBeLessThan(0.9 * mean(losses.slice(0, 2)));

      const inTraining = await predict(variant);
      expect(inTraining).toHaveLength(own.profile.chunkSize);
      expect(inTraining[0]).toHaveLength(own.profile.actions.length);
      const state = await trainer.trained();
      const store = memoryShardStore();
      await saveCheckpoint(store, await trainer.checkpoint());
      trainer.dispose();
      await variant.dispose();
      expect(await predict(policy)).toEqual(before);

      const chunks: BlobPart[] = [];
      for await (const chunk of adapterFile(state).chunks()) chunks.push(chunk);
      const file = new Uint8Array(await new Blob(chunks).arrayBuffer());
      const on = { config: base.config, shapes: base.shapes };
      const exported = exportCheckpoint(state, { config: base.config, source: base.source, name });
      const kept = trainedFromCheckpoint(
        base.config,
        base.shapes,
        (await loadLatestCheckpoint(store, 'mine'))!,
      );
      for (const read of [
        state,
        kept,
        await readAdapterFile(memoryReader(file), on),
        await importCheckpoint(await memoryFolder(exported), on),
      ]) {
        expect(read.own).toEqual(own);
        expect(difference(await laidOver(base, policy, read), inTraining)).toBeLessThanOrEqual(1e-5);
      }
      expect(await predict(policy)).toEqual(before);
      const merged = exportMerged(state, { config: base.config, source: base.source, name });
      // Of the other cases the vocabulary is cut, which no checkpoint says.
      const whole = base.config.tokens.vocabulary > 30_000;
      const { config, actions } = await converted(merged, whole);
      const { network, profile, head, diffusion, centerCrop } = adaptedConfig(base.config, state);
      expect(config).toMatchObject({ profile, head, diffusion, centerCrop });
      expect(config.network.language.attention).toBe(network.language.attention);
      expect(config.tokens.empty === null).toBe(base.config.tokens.empty === null);
      expect(difference(actions ?? inTraining, inTraining)).toBeLessThanOrEqual(1e-4);
      await policy.dispose();
      expect(runtime.live.tensors).toBe(0);
    },
  );
});

describe('a checkpoint folder of another robot', () => {
  it('without our profile says what its sizes tell, and is refused where it contradicts itself', async () => {
    const base = await openCase('libero-l1');
    const policy = await Policy.load(base.config, base.source, runtime);
    const { trainer, variant } = await trained(base, policy, ROBOTS['six joints, L1']!);
    const state = await trainer.trained();
    trainer.dispose();
    await variant.dispose();
    await policy.dispose();
    const files = exportCheckpoint(state, { config: base.config, source: base.source, name: 'base' });
    const constants = files.find(({ path }) => path.endsWith('robot_constants.py'))!;
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of constants.chunks()) parts.push(part);
    expect(await new Blob(parts).text()).toContain('"ACTION_DIM": 6,');
    const on = { config: base.config, shapes: base.shapes };
    const upstream = await memoryFolder(files.filter(({ path }) => !/robot_/.test(path)));
    const { own } = await importCheckpoint(upstream, on);
    // Chunk and cameras are not in upstream's folder: they are the base's.
    expect(own).toMatchObject({
      head: 'l1',
      film: false,
      profile: { chunkSize: base.config.profile.chunkSize, images: base.config.profile.images },
    });
    expect(own!.profile.actions).toHaveLength(6);
    expect(own!.profile.state).toHaveLength(6);

    const merged = exportMerged(state, { config: base.config, source: base.source, name: 'base' });
    const contradictions: [OwnConfig, string][] = [
      [{ ...state.own!, profile: robot(7, 6, 1, 5) }, '7 action dimensions'],
      [
        { ...state.own!, profile: robot(6, 5, 1, 5) },
        'whose state has 5 numbers; the proprio projector takes 6',
      ],
      [{ ...state.own!, profile: robot(6, null, 1, 5) }, 'without a state; the proprio projector takes 6'],
      [
        { ...of('diffusion'), profile: robot(6, 6, 1, 5) },
        'the head is "diffusion"; the folder has a head of kind "l1"',
      ],
      [
        { ...of('discrete'), profile: robot(6, 6, 1, 5) },
        'the head is "discrete"; the folder has a head of kind "l1"',
      ],
    ];
    for (const [said, found] of contradictions) {
      const contradicting = async (exported: typeof files) =>
        memoryFolder(
          exported.map((file) =>
            file.path.endsWith('robot_profile.json') ? exportedProfile(file.path, said) : file,
          ),
        );
      const refusal = {
        code: 'bad-file',
        message: expect.stringContaining(found) as string,
        hint: 'Take all files from the same checkpoint.',
      };
      await expect(importCheckpoint(await contradicting(files), on)).rejects.toMatchObject(refusal);
      const checkpoint = await openCheckpoint(await contradicting(merged));
      const shapes = new Map([...checkpoint.tensors.entries].map(([key, { shape }]) => [key, shape]));
      expect(() => policyConfigFromCheckpoint({ ...checkpoint, shapes })).toThrow(
        expect.objectContaining(refusal),
      );
    }
  });
});

function exportedProfile(path: string, own: OwnConfig) {
  const bytes = new TextEncoder().encode(JSON.stringify(own));
  return {
    path,
    byteLength: bytes.byteLength,
    async *chunks() {
      yield bytes;
    },
  };
}
