import { mkdtempSync, writeFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/model/graph/types.ts';
import { gradientName } from '../../src/model/graph/vjp.ts';
import type { HostTensor } from '../../src/model/finetune/trained.ts';
import type { WeightSource } from '../../src/model/network/loaded-weights.ts';
import { headDimOf, ropeTables } from '../../src/model/network/decoder.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { jointGraph, jointTrainingGraph } from '../../src/model/pretrain/joint-graph.ts';
import type { Random } from '../../src/base/random.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Tensors } from '../../src/model/runtime/runtime.ts';
import { encodeTensor } from '../../src/model/weights/encoding.ts';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { OBJECT_NAMES } from '../../src/practice/objects.ts';
import { ALL_INSTRUCTIONS } from '../../src/practice/tasks.ts';
import { BatchMaker } from '../../tools/pretrain/batch.ts';
import { readAverage, restoreRun, saveRun } from '../../tools/pretrain/checkpoint.ts';
import { trainedLayout } from '../../tools/pretrain/layout.ts';
import {
  AUXILIARIES,
  initialPolicy,
  practiceConfig,
  UNNORM_KEY,
} from '../../tools/pretrain/practice-policy.ts';
import { encode, RECORD, RecordReader, type PretrainSample } from '../../tools/pretrain/records.ts';
import { sharedMemory } from '../../tools/pretrain/shared.ts';
import { tokenizerJson, VOCABULARY } from '../../tools/pretrain/tokenizer.ts';
import { sampleOf } from './sample.ts';

const bounds = (size: number, low: number, high: number, mask?: boolean[]) => ({
  mean: Array.from({ length: size }, () => 0),
  std: Array.from({ length: size }, () => 1),
  min: Array.from({ length: size }, () => low),
  max: Array.from({ length: size }, () => high),
  q01: Array.from({ length: size }, () => low),
  q99: Array.from({ length: size }, () => high),
  ...(mask ? { mask } : {}),
});
const config = practiceConfig({
  action: bounds(7, -1, 1, [true, true, true, true, true, true, false]),
  proprio: bounds(8, -0.3, 0.3),
});
const weights = initialPolicy(config, 1);
const layout = trainedLayout(config, weights);

async function jointRun(
  samples: readonly PretrainSample[],
  params: ReadonlyMap<string, HostTensor>,
  train: boolean,
) {
  const runtime = await createNodeRuntime({ threads: 2 });
  const maker = new BatchMaker(config, await createTokenizer(tokenizerJson()), samples.length);
  // Without light, tint and noise.
  const plain = { uniform: () => 0.5, integer: () => 0 } as unknown as Random;
  maker.fill(samples, params.get('language_model.model.embed_tokens.weight')!.data, () => plain, {
    noise: false,
  });
  const table = new Map([...params].map(([name, { shape }]) => [name, { shape, dtype: 'float32' as const }]));
  const forward = jointGraph(config, table, {
    batch: samples.length,
    tokens: maker.tokens,
    auxiliaries: AUXILIARIES,
  });
  const graph = train
    ? jointTrainingGraph(
        forward,
        layout.map(({ name }) => name),
      )
    : forward;
  const program = await runtime.compile(graph);
  const feeds: Tensors = { [gradientName('loss')]: runtime.upload(Float32Array.of(1), [1]) };
  for (const { name, shape } of layout) feeds[name] = runtime.upload(params.get(name)!.data, shape);
  for (const [name, { data, shape }] of Object.entries(maker.arrays.inputs))
    feeds[name] = runtime.upload(data, shape);
  const rope = ropeTables(config.network.language, maker.length);
  const shape = [maker.length, headDimOf(config.network.language) / 2];
  feeds['cos'] = runtime.upload(rope.cos, shape);
  feeds['sin'] = runtime.upload(rope.sin, shape);
  const outputs = await program.run(feeds);
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of Object.entries(outputs)) values.set(name, await runtime.read(tensor));
  await runtime.dispose();
  return values;
}

describe('the joint graph', () => {
  it('computes what the policy predicts', async () => {
    const samples = [sampleOf(1), sampleOf(2)];
    const joint = (await jointRun(samples, weights, false)).get('predicted')!;
    const runtime = await createNodeRuntime({ threads: 2 });
    const source: WeightSource = {
      names: [...weights.keys()],
      byteLengthOf: (name) => 4 * weights.get(name)!.data.length,
      shapeOf: (name) => weights.get(name)!.shape,
      load: async (name) => {
        const { shape, data } = weights.get(name)!;
        return encodeTensor(name, shape, Float32Array.from(data), 'f32');
      },
    };
    const policy = await Policy.load(config, source, runtime);
    const observer = createObserver(config, runtime, () => {
      throw new Error('Node has no video frames.');
    });
    const tokenize = await createTokenizer(tokenizerJson());
    for (const [b, sample] of samples.entries()) {
      const frames = [0, 1].map((image) => {
        const data = new Uint8Array(4 * IMAGE_SIZE ** 2).fill(255);
        for (let p = 0; p < IMAGE_SIZE ** 2; p++)
          for (let c = 0; c < 3; c++) data[4 * p + c] = sample.images[3 * (image * IMAGE_SIZE ** 2 + p) + c]!;
        return { width: IMAGE_SIZE, height: IMAGE_SIZE, data };
      });
      const { pixels } = await observer.observe(frames);
      const actions = await policy.predict({
        pixels,
        promptIds: tokenize(promptFor(ALL_INSTRUCTIONS[sample.instruction]!)),
        proprio: policy.normalizeState([...sample.state], UNNORM_KEY),
      });
      actions.flat().forEach((value, i) => expect(value).toBeCloseTo(joint[b * 56 + i]!, 4));
    }
    await policy.dispose();
    await runtime.dispose();
  }, 60_000);

  it('a step against its gradient lowers the loss as much as the gradient says', async () => {
    const samples = [sampleOf(3), sampleOf(4)];
    const before = await jointRun(samples, weights, true);
    const step = 1e-4;
    let expected = 0;
    const moved = new Map(weights);
    for (const { name, shape } of layout) {
      const gradient = before.get(gradientName(name));
      if (!gradient) continue;
      expect(gradient.length).toBe(sizeOf(shape));
      const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
      expected += step * norm;
      const data = weights.get(name)!.data.map((value, i) => value - (step * gradient[i]!) / (norm || 1));
      moved.set(name, { shape, data });
    }
    const after = await jointRun(samples, moved, false);
    const fall = before.get('loss')![0]! - after.get('loss')![0]!;
    expect(fall / expected).toBeGreaterThan(0.8);
    expect(fall / expected).toBeLessThan(1.2);
  }, 60_000);

  it('trains everything that runs, and nothing else', () => {
    const names = new Set(layout.map(({ name }) => name));
    const idle = [...weights.keys()].filter((name) => !names.has(name));
    expect(idle.every((name) => /\.blocks\.3\.|featurizer\.norm\.|lm_head/.test(name))).toBe(true);
    expect(names.has('language_model.model.embed_tokens.weight')).toBe(true);
  });
});

describe('a batch', () => {
  it.each([
    ['put the red block on the plate', 0],
    ['put the red block in front of the plate', 1],
  ])('asks where the block belongs: %s', async (text, units) => {
    const sample = {
      ...sampleOf(8),
      instruction: ALL_INSTRUCTIONS.indexOf(text),
      target: OBJECT_NAMES.indexOf('red block'),
      destination: OBJECT_NAMES.indexOf('plate'),
    };
    const maker = new BatchMaker(config, await createTokenizer(tokenizerJson()), 1);
    const random = { uniform: () => 0.5, integer: () => 0 } as unknown as Random;
    const embedding = weights.get('language_model.model.embed_tokens.weight')!.data;
    // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- a batch, not an array
    maker.fill([sample], embedding, () => random);
    const asked = [...maker.arrays.inputs['relative']!.data];
    const away = (object: number) =>
      [0, 1, 2].map((axis) => (sample.objects[3 * object + axis]! - sample.state[axis]!) / 0.1);
    const [x, y, z] = away(sample.destination);
    // In front is 10 cm nearer, and a unit is 10 cm.
    const expected = [...away(sample.target), x! + units, y!, z!];
    asked.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
    expect(asked.length).toBe(6);
  });
});

describe('the tokenizer', () => {
  it('knows every word of every instruction, and spells the others', async () => {
    const json = tokenizerJson() as { model: { vocab: Record<string, number> } };
    const words = new Map(Object.entries(json.model.vocab).map(([word, id]) => [id, word]));
    const tokenize = await createTokenizer(json);
    for (const text of ALL_INSTRUCTIONS) {
      const ids = tokenize(promptFor(text));
      expect(ids[0]).toBe(1);
      expect(ids.some((id) => words.get(id)!.startsWith('##'))).toBe(false);
      expect(ids).not.toContain(0);
    }
    const spelt = tokenize('zebra').map((id) => words.get(id));
    expect(spelt).toEqual(['<s>', 'z', '##e', '##b', '##r', '##a']);
    expect(Math.max(...words.keys())).toBeLessThan(VOCABULARY - 256);
  });
});

const folder = () => mkdtempSync(join(tmpdir(), 'pretrain-'));

describe('data and runs on disk', () => {
  it('a record comes back as it was written', () => {
    const at = folder();
    const samples = [sampleOf(5), sampleOf(6), sampleOf(7)];
    writeFileSync(join(at, 'a.bin'), Buffer.concat([encode(samples[0]!), encode(samples[1]!)]));
    writeFileSync(join(at, 'b.bin'), Buffer.concat([encode(samples[2]!), Buffer.alloc(RECORD - 1)]));
    const reader = new RecordReader([join(at, 'a.bin'), join(at, 'b.bin')]);
    // A file that was cut short ends with its last whole record.
    expect(reader.count).toBe(3);
    samples.forEach((sample, i) => {
      const read = reader.read(i);
      expect([...read.images]).toEqual([...sample.images]);
      for (const key of ['state', 'actions', 'objects', 'pixels'] as const)
        expect(read[key]).toEqual(sample[key]);
      for (const key of ['instruction', 'target', 'destination'] as const)
        expect(read[key]).toBe(sample[key]);
    });
    expect(() => reader.read(3)).toThrow(/no sample 3/);
    reader.close();
  });

  it('a run goes on from its last save; older ones go', () => {
    const at = folder();
    const memory = sharedMemory(1, 10);
    expect(restoreRun(at, memory)).toBe(0);
    for (const step of [100, 200, 300]) {
      new Float32Array(memory.parameter).fill(step);
      new Float32Array(memory.average).fill(step + 0.5);
      saveRun(at, step, memory);
    }
    expect(readdirSync(at).toSorted()).toEqual(['step-0000200.bin', 'step-0000300.bin']);
    const fresh = sharedMemory(1, 10);
    expect(restoreRun(at, fresh)).toBe(300);
    expect(new Float32Array(fresh.parameter)[3]).toBe(300);
    expect(readAverage(at, 10)).toEqual({ step: 300, values: new Float32Array(10).fill(300.5) });
    expect(() => restoreRun(at, sharedMemory(1, 11))).toThrow(/another architecture/);
  });
});
