/** What a policy takes on a GPU, to the byte, from shapes alone: before anything is fetched. */
import { ModelError } from '../../base/errors.ts';
import type { DType, Shape } from '../graph/types.ts';
import { actionCount, type Given } from '../heads/head.ts';
import { headOf } from '../heads/index.ts';
import { prefixTokens, sequenceSegments, trainingSegments } from '../heads/sequence-segments.ts';
import { isBound, isModuleWeight } from '../network/loaded-weights.ts';
import { Network, type Partition } from '../network/network.ts';
import { loraNames } from '../network/scope.ts';
import { Tape, type GradientSink } from '../network/tape.ts';
import { imageTokens } from '../network/vision.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { actionTokens } from '../policy/sequence.ts';
import { Random } from '../../base/random.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import type { Limits } from '../runtime/webgpu/plan.ts';
import { createPlanningRuntime, type PlanningRuntime } from '../runtime/webgpu/planning-runtime.ts';
import type { PackageTensor } from '../weights/manifest.ts';
import { arenaByteLength, layOutArena } from './arena-layout.ts';
import { resolveLora } from './lora.ts';
import { SPLIT_ABOVE } from './trainables.ts';

export interface GpuMemoryOptions {
  /** Text tokens after the first one: prompt, actions, stop token. */
  readonly textTokens: number;
  readonly limits: Limits & { readonly maxBufferSize: number };
  readonly partition?: Partition;
  /** A step of LoRA on all linear layers; without, a prediction. */
  readonly training?: {
    readonly rank: number;
    readonly batch: number;
    /** As of a tape; default what a streamed step takes. */
    readonly splitAbove?: number;
  };
}

/** Bytes. */
export interface GpuMemory {
  readonly weights: number;
  /** What is trained: parameters, which are bound where they lie, AdamW's moments, and gradients where all are kept. */
  readonly optimizer: number;
  /** Inputs of blocks that are kept for the way back, gradients that are used up as they come, and whatever else lives between runs of graphs. */
  readonly activations: number;
  /** Inside of one graph at a time. */
  readonly arena: number;
  readonly programs: number;
  readonly total: number;
  /** The largest single buffer. */
  readonly largestBuffer: number;
}

/**
 * A prediction, or a step, on a runtime that only plans (`createPlanningRuntime`). Not for policies that predict token by token.
 * @param tensors of the package
 */
export async function planGpuMemory(
  config: PolicyConfig,
  tensors: Iterable<Pick<PackageTensor, 'name' | 'shape' | 'encoding' | 'fewScales'>>,
  { textTokens, limits, partition, training }: GpuMemoryOptions,
): Promise<GpuMemory> {
  const runtime = createPlanningRuntime(limits);
  const held = new Map<string, Tensor>();
  const shapes = new Map<string, Shape>();
  for (const { name, shape, encoding, fewScales } of tensors) {
    shapes.set(name, shape);
    if (!isBound(name, config.network, { lmHead: headOf(config).lmHead, lastBlock: false })) continue;
    held.set(name, runtime.declareWeight(shape, encoding, fewScales));
  }
  const options = partition ? { partition } : {};
  const model = new Network(runtime, config.network, storeOf(held), runtime.live.byteLength, options);
  const trained = training ? trainedShapes(shapes, held, training.rank) : new Map<string, Shape>();
  // A run trains its own in their place (`Policy.setAside`).
  for (const name of trained.keys()) held.get(name)?.dispose();
  const weights = runtime.live.byteLength;
  const adapter = new Map([...trained].map(([name, shape]) => [name, runtime.declareWeight(shape, 'f32')]));
  if (training) model.use({ ...storeOf(adapter), scaling: 0.5, names: [...adapter.keys()] });
  const bound = runtime.live.byteLength;
  runtime.forgetPeak();

  const float = (shape: Shape) => runtime.upload(NOTHING, shape);
  if (training) {
    const streamed = model.partition === 'blocks';
    // Without one that streams, gradients are counted with the parameters.
    const sums = streamed ? {} : { sums: (name: string) => adapter.get(name)! };
    const tape = new Tape({
      trains: (name) => adapter.has(name),
      sink: heldGradients(runtime),
      splitAbove: training.splitAbove ?? SPLIT_ABOVE,
      ...sums,
    });
    const segments = trainingSegments(config, { size: training.batch, padded: false });
    const feeds = trainingFeeds(config, training.batch, textTokens, float);
    const length = 1 + prefixTokens(config) + textTokens;
    await model.differentiate(segments, length, feeds, ['loss', 'predicted'], { tape, factor: 1 });
  } else {
    await predict(runtime, model, config, textTokens, float);
  }

  const { arena, programs, tensors: alive } = runtime.peak;
  const layout = layOutArena(limits, new Map([...trained].map(([name, shape]) => [name, { shape }])));
  const optimizer = arenaByteLength(layout, model.partition === 'blocks');
  const activations = alive - bound;
  return {
    weights,
    optimizer,
    activations,
    arena,
    programs,
    total: weights + optimizer + activations + arena + programs,
    largestBuffer: runtime.largestBuffer,
  };
}

/** What a streamed step does with gradients: one that is not complete yet is held. */
function heldGradients(runtime: PlanningRuntime): GradientSink {
  const held = new Map<string, Tensor>();
  return async ({ name, last }, { shape }) => {
    if (!last && !held.has(name)) held.set(name, runtime.declareWeight(shape, 'f32'));
    if (!last) return;
    held.get(name)?.dispose();
    held.delete(name);
  };
}

/** Uploads on a planning runtime have a shape only. */
const NOTHING = new Float32Array(0);

function storeOf(tensors: ReadonlyMap<string, Tensor>) {
  const table = new Map<string, { shape: Shape; dtype: DType }>();
  for (const [name, { shape, dtype }] of tensors) table.set(name, { shape, dtype });
  return { table, tensor: (name: string) => tensors.get(name)! };
}

/** LoRA factors of layers that run, and the modules that are trained whole. */
function trainedShapes(
  shapes: ReadonlyMap<string, Shape>,
  held: ReadonlyMap<string, Tensor>,
  rank: number,
): Map<string, Shape> {
  const trained = new Map<string, Shape>();
  for (const [name, shape] of shapes) if (isModuleWeight(name)) trained.set(name, shape);
  for (const { name, a, b } of resolveLora(shapes, { r: rank }).modules) {
    if (!held.has(`${name}.weight`)) continue;
    trained.set(loraNames(name).a, a);
    trained.set(loraNames(name).b, b);
  }
  return trained;
}

function trainingFeeds(
  config: PolicyConfig,
  size: number,
  textTokens: number,
  float: (shape: Shape) => Tensor,
): Tensors {
  const { network, profile } = config;
  const head = headOf(config);
  const { hidden } = network.language;
  const length = 1 + prefixTokens(config) + textTokens;
  const draws = head.draw(config, size, { sample: (i) => new Random(i), pass: new Random(0) });
  const targets = { size, actions: new Float32Array(size * actionCount(config)) };
  const given = Object.entries(head.given(config, targets, draws)).map(
    ([name, { shape }]: [string, Given]) => [name, float(shape)] as const,
  );
  return {
    ...imageFeeds(config, size, float),
    bos: float([size, 1, hidden]),
    text: float([size, textTokens, hidden]),
    select: float([size, head.trainedRows(config), length]),
    ...(head.placed ? { place: float([size, length, actionTokens(config)]) } : {}),
    ...(profile.state ? { state: float([size, profile.state.length]) } : {}),
    ...Object.fromEntries(given),
  };
}

function imageFeeds(
  { network, profile }: PolicyConfig,
  size: number,
  float: (shape: Shape) => Tensor,
): Tensors {
  const side = network.vits[0]!.imageSize;
  const pixels = float([size * profile.images.length, 3 * network.vits.length, side, side]);
  const film = network.vits.some((vit) => vit.film);
  return { pixels, ...(film ? { language: float([size, network.language.hidden]) } : {}) };
}

async function predict(
  runtime: Runtime,
  model: Network,
  config: PolicyConfig,
  textTokens: number,
  float: (shape: Shape) => Tensor,
): Promise<void> {
  const { network, profile } = config;
  const { hidden } = network.language;
  const { pixels, language } = imageFeeds(config, 1, float);
  const patches = await model.vision(pixels!, language);
  const head = headOf(config);
  const places = actionTokens(config);
  const length = 1 + prefixTokens(config) + textTokens;
  const feeds: Tensors = {
    bos: float([1, 1, hidden]),
    patches,
    prompt: float([1, textTokens - places - 1, hidden]),
    stop: float([1, 1, hidden]),
    ...(profile.state ? { state: float([1, profile.state.length]) } : {}),
    ...(head.placed === 'queries' ? { place: float([1, length, places]) } : {}),
  };
  await head.decode({
    config,
    runtime,
    options: {},
    actions: float([1, places, hidden]),
    trace: undefined,
    run: async (at, after, own, wanted) => {
      const segments = sequenceSegments(config, {
        rows: { start: length - 2 - places, end: length - 2 },
        patches: imageTokens(network, profile.images.length),
        text: ['prompt', at, 'stop'],
        placed: false,
        padded: false,
      });
      return model.run([...segments, ...after], length, { ...feeds, ...own }, wanted);
    },
    generate: async () => {
      throw new ModelError('unsupported', 'A prediction token by token is not planned.');
    },
  });
}
