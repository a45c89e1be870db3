import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  listCheckpoints,
  loadLatestCheckpoint,
  saveCheckpoint,
} from '../../src/model/finetune/checkpoints.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import type { Sample } from '../../src/model/finetune/micro-batch.ts';
import {
  checkpointParameters,
  initialParameters,
  type Parameters,
} from '../../src/model/finetune/parameters.ts';
import { runPass } from '../../src/model/finetune/pass.ts';
import { runTraining } from '../../src/model/finetune/run.ts';
import { Trainables } from '../../src/model/finetune/trainables.ts';
import {
  DEFAULT_TRAINING,
  Trainer,
  type SampleSource,
  type TrainingOptions,
} from '../../src/model/finetune/trainer.ts';
import { sizeOf } from '../../src/model/graph/types.ts';
import { Tape } from '../../src/model/network/tape.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { Random } from '../../src/base/random.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { memoryShardStore } from '../../src/model/weights/shard-store.ts';
import { openCase } from '../setup/golden-policy.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(async () => {
  await runtime.dispose();
});

async function open(name: string) {
  const opened = await openCase(name);
  return { ...opened, policy: await Policy.load(opened.config, opened.source, runtime) };
}
type Opened = Awaited<ReturnType<typeof open>>;

const promptOf = (index: number) => [1, ...Array.from({ length: 4 + (index % 3) }, (_, i) => 5 + i + index)];

/** Random samples whose prompts differ in length, made anew at every call, as a reader would. */
function randomSamples({ config }: Opened, count = 5): SampleSource {
  const { profile, network } = config;
  const side = network.vits[0]!.imageSize;
  const pixels = profile.images.length * 3 * network.vits.length * side * side;
  return {
    count,
    tokens: 6 + 2 + profile.chunkSize * profile.actions.length + 2,
    sample: async (index, augment): Promise<Sample> => {
      const random = new Random(99, index);
      const numbers = (length: number) => Float32Array.from({ length }, () => 2 * random.uniform() - 1);
      const image = numbers(pixels);
      return {
        pixels: augment ? image.map((x) => x * (1 + 0.1 * augment[0]!)) : image,
        promptIds: promptOf(index),
        proprio: profile.state ? numbers(profile.state.length) : null,
        actions: numbers(profile.chunkSize * profile.actions.length),
      };
    },
  };
}

const OPTIONS: TrainingOptions = { ...DEFAULT_TRAINING, batchSize: 2, maxSteps: 6, valFreq: 0, saveFreq: 0 };
const STATISTICS = {};

async function trainerOf(opened: Opened, options: Partial<TrainingOptions> = {}, parameters?: Parameters) {
  const { policy, config, source } = opened;
  return new Trainer({
    run: 'test',
    policy,
    parameters: parameters ?? (await initialParameters(config, source, { lora: { r: 4 }, seed: 1 })),
    train: randomSamples(opened),
    validation: randomSamples(opened, 3),
    options: { ...OPTIONS, ...options },
    statistics: STATISTICS,
  });
}

async function losses(trainer: Trainer, steps: number): Promise<number[]> {
  const out: number[] = [];
  for (let i = 0; i < steps; i++) out.push((await trainer.trainStep()).loss);
  return out;
}

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** A digest of every tensor: comparing hundreds of thousands of numbers one by one takes Vitest seconds. */
const bytesOf = ({ tensors }: { tensors: ReadonlyMap<string, { data: Float32Array }> }) =>
  Object.fromEntries(
    [...tensors].map(([name, { data }]) => [
      name,
      createHash('sha256')
        .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        .digest('hex'),
    ]),
  );

describe('a trainer', () => {
  it.each(['libero-l1', 'libero-diffusion', 'discrete', 'openvla-ar', 'vla-adapter-pro'])(
    'resumes to the same curve as an uninterrupted run, %s',
    async (name) => {
      const opened = await open(name);
      const whole = await trainerOf(opened);
      const expected = await losses(whole, 6);
      const end = await whole.checkpoint();
      whole.dispose();

      const store = memoryShardStore();
      const first = await trainerOf(opened);
      await losses(first, 3);
      await saveCheckpoint(store, await first.checkpoint());
      await first.trainStep();
      first.dispose();

      const checkpoint = (await loadLatestCheckpoint(store, 'test'))!;
      const parameters = checkpointParameters(opened.config, opened.shapes, checkpoint);
      const second = await trainerOf(opened, {}, parameters);
      second.restore(checkpoint);
      expect(second.step).toBe(3);
      expect(await losses(second, 3)).toEqual(expected.slice(3));
      expect(second.history.steps.map(({ loss }) => loss)).toEqual(expected);
      expect(bytesOf(await second.checkpoint())).toEqual(bytesOf(end));
      second.dispose();
      await opened.policy.dispose();
    },
  );

  it('takes the same step by accumulation as in one batch', async () => {
    const opened = await open('libero-l1');
    const batch = await trainerOf(opened, { batchSize: 4, gradAccumulationSteps: 1 });
    const accumulated = await trainerOf(opened, { batchSize: 1, gradAccumulationSteps: 4 });
    // Two trainers on one policy: the one whose turn it is is used.
    opened.policy.use(batch.trainables);
    const one = await batch.trainStep();
    opened.policy.use(accumulated.trainables);
    const four = await accumulated.trainStep();
    expect(Math.abs(one.loss - four.loss)).toBeLessThan(1e-6);
    expect(Math.abs(one.gradNorm / four.gradNorm - 1)).toBeLessThan(1e-5);
    batch.dispose();
    accumulated.dispose();
    await opened.policy.dispose();
  });

  it('validates on the same samples each time and leaves the parameters alone', async () => {
    const opened = await open('libero-l1');
    const trainer = await trainerOf(opened);
    const before = bytesOf(await trainer.checkpoint());
    const one = (await trainer.validate())!;
    const two = (await trainer.validate())!;
    expect(one).toEqual(two);
    expect(one.samples).toBe(3);
    // Mean of all, from the current action and the seven that follow.
    expect(Math.abs((one.currentL1! + 7 * one.nextL1!) / 8 - one.loss)).toBeLessThan(1e-6);
    expect(bytesOf(await trainer.checkpoint())).toEqual(before);
    trainer.dispose();
    await opened.policy.dispose();
  });

  it('clips gradients to the norm asked for, and reports the norm before', async () => {
    const opened = await open('libero-l1');
    const free = await trainerOf(opened);
    const { gradNorm } = await free.trainStep();
    free.dispose();
    const clipped = await trainerOf(opened, { maxGradNorm: gradNorm / 1e6, learningRate: 1 });
    const report = await clipped.trainStep();
    expect(report.gradNorm).toBeCloseTo(gradNorm, 6);
    // m = 0.1 · g · clip after the first step.
    const moments = [...(await clipped.checkpoint()).tensors].filter(([name]) => name.startsWith('exp_avg/'));
    let squares = 0;
    for (const [, { data }] of moments) for (const x of data) squares += (10 * x) ** 2;
    expect(Math.sqrt(squares) / (gradNorm / 1e6)).toBeCloseTo(1, 3);
    clipped.dispose();
    await opened.policy.dispose();
  });

  it('says so when a run diverges, and refuses a checkpoint of another run', async () => {
    const opened = await open('libero-l1');
    const wild = await trainerOf(opened, { learningRate: 1e30 });
    await expect(losses(wild, 4)).rejects.toMatchObject({ code: 'diverged' });
    const checkpoint = await wild.checkpoint();
    wild.dispose();
    const other = await trainerOf(
      opened,
      {},
      await initialParameters(opened.config, opened.source, { lora: { r: 3 }, seed: 1 }),
    );
    const before = bytesOf(await other.checkpoint());
    expect(() => other.restore(checkpoint)).toThrow('does not fit this run');
    expect(bytesOf(await other.checkpoint())).toEqual(before);
    other.dispose();
    await opened.policy.dispose();
  });

  it('trains head and projectors from scratch on a base that has none', async () => {
    const base = await openCase('discrete');
    const { profile } = (await openCase('libero-l1')).config;
    const config = {
      ...base.config,
      head: 'l1' as const,
      profile: { ...profile, images: base.config.profile.images },
    };
    const policy = await Policy.load(config, base.source, runtime);
    const opened = { ...base, config, policy };
    const parameters = await initialParameters(config, base.source, { lora: { r: 4 }, seed: 1 });
    expect(parameters.trained.has('action_head.model.fc1.weight')).toBe(true);
    expect(parameters.trained.has('proprio_projector.fc2.bias')).toBe(true);
    const trainer = await trainerOf(opened, { maxSteps: 40, batchSize: 4 }, parameters);
    const curve = await losses(trainer, 40);
    expect(mean(curve.slice(-8))).toBeLessThan(0.8 * mean(curve.slice(0, 8)));
    trainer.dispose();
    await policy.dispose();
  });

  it('frees everything', async () => {
    const before = runtime.live.tensors;
    const opened = await open('aloha-film-l1');
    const trainer = await trainerOf(opened);
    await trainer.trainStep();
    await trainer.validate();
    trainer.dispose();
    await opened.policy.dispose();
    expect(runtime.live.tensors).toBe(before);
  });
});

describe('the loop around a trainer', () => {
  it('can be paused, continued and stopped between steps, each time with a checkpoint', async () => {
    const opened = await open('libero-l1');
    const store = memoryShardStore();
    const trainer = await trainerOf(opened, { maxSteps: 50, saveFreq: 100, valFreq: 2 });
    const stop = new AbortController();
    let gate: { promise: Promise<void>; open: () => void } | null = null;
    const seen: string[] = [];
    const saved: number[] = [];
    const end = runTraining(
      trainer,
      store,
      { from: 'test' },
      {
        phase: (phase) => {
          seen.push(phase);
          if (phase !== 'paused') return;
          gate?.open();
          gate = null;
        },
        step: ({ step }) => {
          if (step === 3) {
            const waiting: (() => void)[] = [];
            const promise = new Promise<void>((resolve) => waiting.push(resolve));
            gate = { promise, open: () => waiting.forEach((resolve) => resolve()) };
          }
          if (step === 5) stop.abort();
        },
        validation: ({ step }) => seen.push(`validated ${step}`),
        saved: (step) => saved.push(step),
        saveFailed: (error) => {
          throw error;
        },
      },
      {
        signal: stop.signal,
        gate: () => gate?.promise ?? null,
        saveAsked: () => trainer.step === 4,
        exclusively: (task) => task(),
      },
    );
    expect(await end).toBe('cancelled');
    expect(trainer.step).toBe(5);
    // The first step, the pause, what was asked for, and the end.
    expect(saved).toEqual([1, 3, 4, 5]);
    expect(seen).toContain('paused');
    expect(seen.filter((entry) => entry.startsWith('validated'))).toEqual(['validated 2', 'validated 4']);
    expect((await loadLatestCheckpoint(store, 'test'))!).toMatchObject({ step: 5, state: { from: 'test' } });
    trainer.dispose();
    await opened.policy.dispose();
  });

  it('is saved every few seconds, each time in place of the last, and keeps what is saved by steps', async () => {
    const store = memoryShardStore();
    const opened = await open('libero-l1');
    const trainer = await trainerOf(opened, { maxSteps: 11, saveFreq: 4 });
    let time = 0;
    const kept: number[][] = [];
    await runTraining(
      trainer,
      store,
      {},
      {
        phase: () => undefined,
        // A step takes three seconds.
        step: () => (time += 3000),
        validation: () => undefined,
        saved: () => undefined,
        saveFailed: (error) => {
          throw error;
        },
      },
      {
        signal: new AbortController().signal,
        // Asked before every step: what is there then.
        gate: () => {
          void listCheckpoints(store, 'test').then((list) => kept.push(list.map(({ step }) => step)));
          return null;
        },
        exclusively: (task) => task(),
        now: () => time,
      },
    );
    kept.push((await listCheckpoints(store, 'test')).map(({ step }) => step));
    expect(kept).toEqual([
      [],
      [1],
      [1],
      [1, 3],
      [1, 4],
      [1, 4],
      [1, 4, 6],
      [1, 4, 6],
      [1, 4, 8],
      [1, 4, 8],
      [1, 4, 8, 10],
      [1, 4, 8, 11],
    ]);
    trainer.dispose();
    await opened.policy.dispose();
  });

  it('goes on training when the disk is full, and says so', async () => {
    const opened = await open('libero-l1');
    const trainer = await trainerOf(opened, { maxSteps: 3, saveFreq: 1 });
    const failures: string[] = [];
    const result = await runTraining(
      trainer,
      memoryShardStore({ quota: 1000 }),
      {},
      {
        phase: () => undefined,
        step: () => undefined,
        validation: () => undefined,
        saved: () => undefined,
        saveFailed: ({ code }) => failures.push(code),
      },
      { signal: new AbortController().signal, gate: () => null, exclusively: (task) => task() },
    );
    expect(result).toBe('done');
    expect(failures).toEqual(['storage-full', 'storage-full', 'storage-full']);
    trainer.dispose();
    await opened.policy.dispose();
  });
});

describe('adapters', () => {
  it.each(['libero-l1', 'siglip-only-l1', 'aloha-film-l1'])(
    'with B = 0 leave the base’s output as it is, to the bit, %s',
    async (name) => {
      const opened = await open(name);
      const samples = randomSamples(opened);
      const batch = [await samples.sample(0, null)];
      const outputs: Float32Array[] = [];
      const trace = async (stage: string, tensor: { shape: readonly number[] }) => {
        if (stage === 'actions_hidden_states') outputs.push(await runtime.read(tensor as never));
      };
      await runPass(opened.policy, batch, { trace });
      const parameters = await initialParameters(opened.config, opened.source, { lora: { r: 4 }, seed: 5 });
      const trainables = new Trainables(runtime, parameters.trained, 1);
      opened.policy.use(trainables);
      await runPass(opened.policy, batch, { trace });
      expect(outputs[1]).toEqual(outputs[0]);
      opened.policy.use(null);
      trainables.dispose();
      await opened.policy.dispose();
    },
  );

  it('hide the base’s head, which need not lie beside a run’s, and the base is itself again, to the bit', async () => {
    const opened = await open('libero-l1');
    const batch = [await randomSamples(opened).sample(1, null)];
    const loss = async () => (await runPass(opened.policy, batch)).loss;
    const base = await loss();
    const live = runtime.live.byteLength;
    const parameters = await initialParameters(opened.config, opened.source, { lora: { r: 4 }, seed: 1 });
    const head = [...opened.source.names].filter((name) => parameters.trained.has(name));
    const bytes = head.reduce((sum, name) => sum + 4 * sizeOf(opened.source.shapeOf(name)), 0);
    opened.policy.setAside(parameters.trained.keys());
    expect(live - runtime.live.byteLength).toBe(bytes);
    expect(head).toContain('action_head.model.fc1.weight');
    expect(head).toContain('proprio_projector.fc1.weight');
    await expect(loss()).rejects.toMatchObject({ code: 'missing-tensor' });
    const trainer = await trainerOf(opened, { learningRate: 5e-3 }, parameters);
    await losses(trainer, 2);
    const trained = await trainer.trained();
    const during = await loss();
    trainer.dispose();
    const without = runtime.live.byteLength;
    await opened.policy.bringBack(opened.source);
    expect(runtime.live.byteLength - without).toBe(bytes);
    expect(await loss()).toBe(base);
    const loaded = new LoadedAdapter(runtime, opened.config, trained);
    opened.policy.use(loaded);
    expect(await loss()).toBe(during);
    expect(during).not.toBe(base);
    opened.policy.use(null);
    expect(await loss()).toBe(base);
    loaded.dispose();
    await opened.policy.dispose();
  });

  it('have LoRA’s dropout in both directions: gradients equal finite differences under the same masks', async () => {
    const opened = await open('libero-l1');
    const { trained } = await initialParameters(opened.config, opened.source, { lora: { r: 4 }, seed: 5 });
    const random = new Random(8);
    const warm = new Map(
      [...trained].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((x) => (name.includes('lora_B') ? 0.3 * random.gaussian() : x)) },
      ]),
    );
    const batch = [await randomSamples(opened).sample(2, null)];
    const trainables = new Trainables(runtime, warm, 1);
    opened.policy.use(trainables);
    const lossOf = async (sink = true) => {
      const masks = new Random(4);
      const tape = new Tape({
        ...trainables.tapeOptions,
        ...(sink ? {} : { sink: async () => undefined }),
        dropout: (shape) => {
          const size = shape.reduce((n, d) => n * d, 1);
          const mask = Float32Array.from({ length: size }, () => (masks.uniform() < 0.4 ? 0 : 1 / 0.6));
          return runtime.upload(mask, shape);
        },
      });
      return (await runPass(opened.policy, batch, { tape })).loss;
    };
    const withDropout = await lossOf();
    expect(withDropout).not.toBe((await runPass(opened.policy, batch)).loss);
    for (const name of [
      'language_model.model.layers.1.mlp.up_proj.lora_A.weight',
      'vision_backbone.featurizer.blocks.1.attn.qkv.lora_B.weight',
    ]) {
      const gradient = await trainables.gradient(name);
      const at = gradient.reduce((best, g, i) => (Math.abs(g) > Math.abs(gradient[best]!) ? i : best), 0);
      const values = runtime.view(trainables.tensor(name))!;
      const original = values[at]!;
      const step = 2e-3;
      values[at] = original + step;
      const up = await lossOf(false);
      values[at] = original - step;
      const down = await lossOf(false);
      values[at] = original;
      // The loss is float32, about 1e-7 each way, and the L1 loss is linear almost everywhere.
      expect(Math.abs((up - down) / (2 * step) - gradient[at]!)).toBeLessThan(
        0.02 * Math.abs(gradient[at]!) + 1e-4,
      );
    }
    opened.policy.use(null);
    trainables.dispose();
    await opened.policy.dispose();
  });
});
