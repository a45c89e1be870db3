/** Where trained parameters, their gradients and AdamW's moments lie: flat float32, on the CPU or in GPU buffers. */
import { accumulate } from '../kernels/accumulate.cpu.ts';
import { adamw } from '../kernels/adamw.cpu.ts';
import { clipFactor, gradNorm } from '../kernels/grad-norm.cpu.ts';
import { sizeOf } from '../graph/types.ts';
import type { GradientSink } from '../network/tape.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { gpuArena } from './arena.gpu.ts';
import type { HostTensor } from './trained.ts';

export interface AdamWOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Gradients are scaled down to this L2 norm; null leaves them, as finetune.py does. */
  readonly maxGradNorm: number | null;
}

/** torch.optim.AdamW's defaults, with finetune.py's learning rate. */
export const ADAMW: AdamWOptions = {
  learningRate: 5e-4,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 1e-2,
  maxGradNorm: null,
};

/** Kinds of numbers per parameter, under torch's names of AdamW's state. */
export type Kind = 'parameter' | 'exp_avg' | 'exp_avg_sq';

/** One AdamW step whose gradients are used up as they come. */
export interface StreamedStep {
  readonly sink: GradientSink;
  /** Whether a parameter was changed already. */
  readonly begun: boolean;
  /** Steps what had no gradient, as by zeros. Returns the gradients' L2 norm. */
  finish(): Promise<number>;
  /** Frees what it holds, instead of `finish`. */
  abandon(): void;
}

export interface Arena {
  /** The parameter as graphs and kernels bind it; always its current value. */
  tensor(name: string): Tensor;
  /** Adds a gradient to the parameter's own, in place. */
  accumulate(name: string, gradient: Tensor): Promise<void>;
  /** The gradient as a tensor that a run can add to; null where `accumulate` has to. */
  gradientSum(name: string): Tensor | null;
  /** One AdamW step over all parameters (`count` from 1), then zero gradients. Returns the gradients' L2 norm before clipping. */
  step(count: number, options: AdamWOptions): Promise<number>;
  /** The same as `step`, from gradients that are not kept; null for an arena that keeps them. */
  readonly stream: ((count: number, options: AdamWOptions) => StreamedStep) | null;
  clearGradients(): void;
  gradient(name: string): Promise<Float32Array>;
  read(kind: Kind, name: string): Promise<Float32Array>;
  write(kind: Kind, name: string, data: Float32Array): void;
  /** Bytes held besides the bound parameters. */
  readonly byteLength: number;
  dispose(): void;
}

/** @param streamed use gradients up as they come, where the runtime can: on our own WebGPU executor */
export function createArena(
  runtime: Runtime,
  parameters: ReadonlyMap<string, HostTensor>,
  streamed = false,
): Arena {
  return runtime.device
    ? gpuArena(runtime, runtime.device, parameters, streamed && runtime.adoptPart !== undefined)
    : cpuArena(runtime, parameters);
}

function cpuArena(runtime: Runtime, parameters: ReadonlyMap<string, HostTensor>): Arena {
  const ranges = new Map<string, { start: number; end: number }>();
  let total = 0;
  for (const [name, { shape }] of parameters) {
    ranges.set(name, { start: total, end: total + sizeOf(shape) });
    total += sizeOf(shape);
  }
  const flat: Record<Kind | 'gradient', Float32Array> = {
    parameter: new Float32Array(total),
    gradient: new Float32Array(total),
    exp_avg: new Float32Array(total),
    exp_avg_sq: new Float32Array(total),
  };
  const part = (kind: Kind | 'gradient', name: string) => {
    const { start, end } = ranges.get(name)!;
    return flat[kind].subarray(start, end);
  };
  const tensors = new Map<string, Tensor>();
  for (const [name, { shape, data }] of parameters) {
    part('parameter', name).set(data);
    // By reference: an optimiser step is seen by the next run at once.
    tensors.set(name, runtime.upload(part('parameter', name), shape));
  }
  return {
    tensor: (name) => tensors.get(name)!,
    accumulate: async (name, gradient) => {
      const { start, end } = ranges.get(name)!;
      accumulate(flat.gradient, start, runtime.view(gradient)!, end - start, 1);
    },
    gradientSum: () => null,
    step: async (count, options) => {
      const norm = gradNorm(flat.gradient);
      const clip = options.maxGradNorm === null ? 1 : clipFactor(norm, options.maxGradNorm);
      adamw(flat.parameter, flat.gradient, flat.exp_avg, flat.exp_avg_sq, { ...options, step: count, clip });
      flat.gradient.fill(0);
      return norm;
    },
    stream: null,
    clearGradients: () => void flat.gradient.fill(0),
    gradient: async (name) => part('gradient', name).slice(),
    read: async (kind, name) => part(kind, name).slice(),
    write: (kind, name, data) => part(kind, name).set(data),
    byteLength: 12 * total,
    dispose: () => {
      for (const tensor of tensors.values()) tensor.dispose();
    },
  };
}
