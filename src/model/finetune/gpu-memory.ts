/** What a policy takes on a GPU, to the byte, from shapes alone: before anything is fetched. */
import { isBound, isModuleWeight } from '../network/loaded-weights.ts';
import { Network, type Partition } from '../network/network.ts';
import { Tape } from '../network/tape.ts';
import { loraNames } from '../network/scope.ts';
import { needsLmHead, type PolicyConfig } from '../policy/config.ts';
import { sizeOf, type DType, type Shape } from '../graph/types.ts';
import type { Tensor } from '../runtime/runtime.ts';
import type { Limits } from '../runtime/webgpu/plan.ts';
import { createPlanningRuntime } from '../runtime/webgpu/planning-runtime.ts';
import type { Encoding } from '../weights/encoding.ts';
import { bytesPerParameter } from './estimate.ts';
import { resolveLora } from './lora.ts';
import { patchTokens } from './micro-batch.ts';

export interface GpuMemoryOptions {
  /** Text tokens after the first one: prompt, actions, stop token. */
  readonly textTokens: number;
  readonly limits: Limits & { readonly maxBufferSize: number };
  readonly partition?: Partition;
  /** A step of LoRA on all linear layers; without, a prediction. */
  readonly training?: { readonly rank: number; readonly batch: number };
}

/** Bytes. */
export interface GpuMemory {
  readonly weights: number;
  /** LoRA factors and modules as they are bound, with gradient and AdamW's moments. */
  readonly optimizer: number;
  /** Inputs of blocks that are kept for the way back, and whatever else lives between dispatches of different runs. */
  readonly activations: number;
  /** Inside of one graph at a time. */
  readonly arena: number;
  readonly programs: number;
  readonly total: number;
}

/**
 * Vision and language model are run on a runtime that only plans (`createPlanningRuntime`); the modules beside them count as weights.
 * @param tensors of the package
 */
export async function planGpuMemory(
  config: PolicyConfig,
  tensors: Iterable<{ readonly name: string; readonly shape: Shape; readonly encoding: Encoding }>,
  { textTokens, limits, partition, training }: GpuMemoryOptions,
): Promise<GpuMemory> {
  const { network, profile } = config;
  const runtime = createPlanningRuntime(limits);
  const held = new Map<string, Tensor>();
  const shapes = new Map<string, Shape>();
  for (const { name, shape, encoding } of tensors) {
    shapes.set(name, shape);
    if (!isBound(name, network, { lmHead: needsLmHead(config), lastBlock: false })) continue;
    held.set(name, runtime.declareWeight(shape, encoding));
  }
  const weights = runtime.live.byteLength;
  const table = new Map<string, { shape: Shape; dtype: DType }>();
  for (const [name, { shape, dtype }] of held) table.set(name, { shape, dtype });
  const store = { table, tensor: (name: string) => held.get(name)! };
  const model = new Network(runtime, network, store, weights, partition ? { partition } : {});

  const factors = new Map<string, Tensor>();
  let trained = 0;
  if (training) {
    for (const [name, shape] of shapes) if (isModuleWeight(name)) trained += sizeOf(shape);
    for (const { name, a, b } of resolveLora(shapes, { r: training.rank }).modules) {
      if (!held.has(`${name}.weight`)) continue;
      const names = loraNames(name);
      factors.set(names.a, runtime.declareWeight([a[0]!, sizeOf(a) / a[0]!], 'f32'));
      factors.set(names.b, runtime.declareWeight([b[0]!, training.rank], 'f32'));
      trained += sizeOf(a) + sizeOf(b);
    }
    const own = new Map(
      [...factors].map(([name, { shape }]) => [name, { shape, dtype: 'float32' as const }]),
    );
    model.use({ table: own, tensor: (name) => factors.get(name)!, scaling: 0.5, names: [...own.keys()] });
  }
  const bound = runtime.live.byteLength;

  const batch = training?.batch ?? 1;
  const tape = training ? new Tape({ trains: (name) => factors.has(name), sink: async () => {} }) : undefined;
  const float = (...shape: number[]) => runtime.upload(NOTHING, shape);
  const { hidden } = network.language;
  const side = network.vits[0]!.imageSize;
  const rows = profile.chunkSize * profile.actions.length;
  const images = profile.images.length;
  const pixels = float(batch * images, 3 * network.vits.length, side, side);
  const film = network.vits.some((vit) => vit.film) ? float(batch, hidden) : undefined;
  const patches = await model.vision(pixels, { samples: batch, tape, ...(film ? { language: film } : {}) });
  const extra = profile.state ? [float(batch, 1, hidden)] : [];
  const inputs = { bos: float(batch, 1, hidden), patches, extra, text: [float(batch, textTokens, hidden)] };
  const length = 1 + patchTokens(config) + textTokens;
  const wanted = training
    ? { select: float(batch, rows, length) }
    : { start: length - 1 - rows, end: length - 1 };
  const states = await model.language(inputs, wanted, tape);
  if (tape) await tape.backward(states, float(...states.shape));

  const { arena, programs, tensors: alive } = runtime.peak;
  const activations = alive - bound;
  // The bound copies of what is trained are among bytesPerParameter.
  const optimizer = trained * bytesPerParameter(true);
  return {
    weights,
    optimizer,
    activations,
    arena,
    programs,
    total: weights + optimizer + activations + arena + programs,
  };
}

/** Uploads on a planning runtime have a shape only. */
const NOTHING = new Float32Array(0);
