/** One training thread: its share of each batch, its share of each update. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Shape } from '../../src/model/graph/types.ts';
import { sizeOf } from '../../src/model/graph/types.ts';
import { gradientName } from '../../src/model/graph/vjp.ts';
import { adamw } from '../../src/model/kernels/adamw.cpu.ts';
import { clipFactor } from '../../src/model/kernels/grad-norm.cpu.ts';
import { headDimOf, ropeTables } from '../../src/model/network/decoder.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { jointGraph, jointTrainingGraph } from '../../src/model/pretrain/joint-graph.ts';
import { Random } from '../../src/base/random.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Tensors } from '../../src/model/runtime/runtime.ts';
import { Sampler } from '../../src/model/finetune/sampler.ts';
import { BatchMaker } from './batch.ts';
import { AUXILIARIES, practiceConfig } from './practice-policy.ts';
import { RecordReader } from './records.ts';
import { Barrier, SCALARS, type SharedMemory } from './shared.ts';
import { readStatistics } from './statistics.ts';
import { tokenizerJson, TOKENS } from './tokenizer.ts';

export interface TrainOptions {
  readonly seed: number;
  readonly batch: number;
  readonly steps: number;
  /** Of the steps, the last so many in which the learning rate falls to zero. */
  readonly decaySteps: number;
  readonly learningRate: number;
  readonly saveEvery: number;
}

export interface ThreadData {
  readonly index: number;
  readonly memory: SharedMemory;
  readonly layout: readonly { readonly name: string; readonly shape: Shape; readonly start: number }[];
  readonly firstStep: number;
  readonly options: TrainOptions;
  readonly files: readonly string[];
  readonly statistics: string;
}

export type ThreadMessage =
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly loss: number;
      readonly l1: number;
      readonly norm: number;
      readonly learningRate: number;
    }
  | { readonly kind: 'save'; readonly step: number };

const WARM_UP = 200;
const ADAM = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.02 } as const;
const CLIP = 1;
/** Share that the running average keeps per step. */
const AVERAGE = 0.998;
const EMBEDDING = 'language_model.model.embed_tokens.weight';
const JITTER = 41;

const data = workerData as ThreadData;
const { index, memory, layout, options } = data;
const barrier = new Barrier(memory);
const count = memory.parameter.byteLength / 4;
const shared = (buffer: SharedArrayBuffer) => new Float32Array(buffer);
const [parameter, average, m, v] = [memory.parameter, memory.average, memory.m, memory.v].map(shared) as [
  Float32Array,
  Float32Array,
  Float32Array,
  Float32Array,
];
const gradients = Array.from(
  { length: memory.threads },
  (_, i) => new Float32Array(memory.gradients, 4 * i * count, count),
);
const scalars = new Float64Array(memory.scalars);
/** onnxruntime binds plain memory; brought up to date after each step. */
const local = new Float32Array(count);

const config = practiceConfig(readStatistics(data.statistics));
const size = options.batch / memory.threads;
const maker = new BatchMaker(config, await createTokenizer(tokenizerJson()), size);
const reader = new RecordReader(data.files);
const sampler = new Sampler(options.seed, reader.count);

const runtime = await createNodeRuntime({ threads: 1 });
const table = new Map(layout.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }]));
const forward = jointGraph(config, table, { batch: size, tokens: maker.tokens, auxiliaries: AUXILIARIES });
const program = await runtime.compile(
  jointTrainingGraph(
    forward,
    layout.map(({ name }) => name),
  ),
);
const feeds: Tensors = { [gradientName('loss')]: runtime.upload(Float32Array.of(1), [1]) };
for (const { name, shape, start } of layout)
  feeds[name] = runtime.upload(local.subarray(start, start + sizeOf(shape)), shape);
for (const [name, { data: values, shape }] of Object.entries(maker.arrays.inputs))
  feeds[name] = runtime.upload(values, shape);
const rope = ropeTables(config.network.language, maker.length);
const ropeShape = [maker.length, headDimOf(config.network.language) / 2];
feeds['cos'] = runtime.upload(rope.cos, ropeShape);
feeds['sin'] = runtime.upload(rope.sin, ropeShape);

const embedding = layout.find(({ name }) => name === EMBEDDING)!;
const hidden = embedding.shape[1]!;
const rows = (array: Float32Array) =>
  array.subarray(embedding.start, embedding.start + sizeOf(embedding.shape));
const from = Math.floor((count * index) / memory.threads);
const to = Math.floor((count * (index + 1)) / memory.threads);
const own = (array: Float32Array) => array.subarray(from, to);

for (let step = data.firstStep; step < options.steps; step++) {
  local.set(parameter);
  const first = step * options.batch + index * size;
  const samples = Array.from({ length: size }, (_, i) => reader.read(sampler.at(first + i)));
  maker.fill(samples, rows(local), (i) => new Random(options.seed, JITTER, first + i));
  const outputs = await program.run(feeds);
  const gradient = gradients[index]!;
  for (const { name, shape, start } of layout) {
    const tensor = outputs[gradientName(name)];
    if (tensor) gradient.set(runtime.view(tensor)!, start);
    else gradient.fill(0, start, start + sizeOf(shape));
  }
  scatter(
    rows(gradient),
    runtime.view(outputs[gradientName('text')]!)!,
    runtime.view(outputs[gradientName('bos')]!)!,
  );
  scalars[index * SCALARS] = runtime.view(outputs['loss']!)![0]!;
  scalars[index * SCALARS + 1] = runtime.view(outputs['loss.l1']!)![0]!;
  for (const tensor of Object.values(outputs)) tensor.dispose();
  barrier.wait();

  const mean = own(gradients[0]!);
  for (let i = 0; i < mean.length; i++) {
    let sum = mean[i]!;
    for (let t = 1; t < gradients.length; t++) sum += gradients[t]![from + i]!;
    mean[i] = sum / memory.threads;
  }
  scalars[index * SCALARS + 2] = mean.reduce((sum, x) => sum + x * x, 0);
  barrier.wait();

  const across = (offset: number) =>
    Array.from({ length: memory.threads }, (_, t) => scalars[t * SCALARS + offset]!).reduce(
      (a, b) => a + b,
      0,
    );
  const norm = Math.sqrt(across(2));
  const learningRate = rateAt(step);
  const report = {
    step: step + 1,
    loss: across(0) / memory.threads,
    l1: across(1) / memory.threads,
    norm,
    learningRate,
  };
  adamw(own(parameter), mean, own(m), own(v), {
    ...ADAM,
    learningRate,
    step: step + 1,
    clip: clipFactor(norm, CLIP),
  });
  const [ownAverage, ownParameter] = [own(average), own(parameter)];
  const keep = Math.min(AVERAGE, (1 + step) / (10 + step));
  for (let i = 0; i < ownAverage.length; i++)
    ownAverage[i] = keep * ownAverage[i]! + (1 - keep) * ownParameter[i]!;
  barrier.wait();
  if (index === 0) {
    parentPort!.postMessage({ kind: 'step', ...report } satisfies ThreadMessage);
    if ((step + 1) % options.saveEvery === 0 || step + 1 === options.steps) {
      parentPort!.postMessage({ kind: 'save', step: step + 1 } satisfies ThreadMessage);
      // The main thread reads the shared memory; nobody writes until it has.
      await new Promise((resolve) => parentPort!.once('message', resolve));
    }
  }
  barrier.wait();
}
reader.close();

/** Adds the gradients of looked-up rows to the embedding's. */
function scatter(sum: Float32Array, text: Float32Array, bos: Float32Array): void {
  const { textIds } = maker.arrays;
  textIds.forEach((id, position) => {
    if (id < 0) return;
    for (let i = 0; i < hidden; i++) sum[id * hidden + i]! += text[position * hidden + i]!;
  });
  for (let b = 0; b < size; b++)
    for (let i = 0; i < hidden; i++) sum[TOKENS.bos * hidden + i]! += bos[b * hidden + i]!;
}

function rateAt(step: number): number {
  const left = options.steps - step;
  const falling = left < options.decaySteps ? left / options.decaySteps : 1;
  return options.learningRate * Math.min(1, (step + 1) / WARM_UP) * falling;
}
