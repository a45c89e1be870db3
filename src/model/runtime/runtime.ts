import type { Graph, Shape } from '../graph/types.ts';
import type { EncodedTensor } from '../weights/encoding.ts';
import type { Backend } from './backend.ts';
import type { KernelReport } from './webgpu/kernel-report.ts';

/** Values on the CPU or the GPU. Whoever made it (`upload`, a program's run) disposes it, once. */
export interface Tensor {
  readonly shape: Shape;
  readonly dtype: 'float32' | 'q8' | 'q4';
  readonly location: 'cpu' | 'gpu';
  readonly byteLength: number;
  readonly disposed: boolean;
  /** A second call does nothing. */
  dispose(): void;
}

export type Tensors = Record<string, Tensor>;

/** A compiled graph. It holds no weights: they are among the feeds of each run. */
export interface Program {
  readonly graph: Graph;
  /**
   * Feeds stay the caller's; the outputs are the caller's to dispose.
   * @param sums tensors that the outputs of those names are added to (see `CompileOptions.sums`)
   */
  run(feeds: Tensors, sums?: Tensors): Promise<Tensors>;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /**
   * Outputs that are not made but added to tensors given to each run. Only where `adoptPart` is there.
   * @throws ModelError `unsupported` elsewhere
   */
  readonly sums?: readonly string[];
}

/** One executor of graphs. Everything it made is freed by `dispose`. */
export interface Runtime {
  readonly backend: Backend;
  /** The device shared with the hand-written kernels; null on the CPU. */
  readonly device: GPUDevice | null;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  /** A float32 tensor; on the GPU the data is copied at once, on the CPU it is kept by reference. */
  upload(data: Float32Array, shape: Shape): Tensor;
  /** A weight as stored: f32 and f16 become float32, q8 and q4 stay packed and are never unpacked in memory. */
  uploadWeight(weight: EncodedTensor): Tensor;
  /** Copies a tensor's values to the CPU. */
  read(tensor: Tensor): Promise<Float32Array>;
  /** The GPU buffer behind a float32 tensor; null on the CPU. Owned by the tensor. */
  gpuBuffer(tensor: Tensor): GPUBuffer | null;
  /** The memory behind a float32 tensor on the CPU, to be read or changed in place; null on the GPU. */
  view(tensor: Tensor): Float32Array | null;
  /** Wraps a buffer of `device`; disposing the tensor destroys the buffer. */
  adopt(buffer: GPUBuffer, shape: Shape): Tensor;
  /**
   * Wraps the part of a buffer from `byteOffset` on, a multiple of 256; the buffer stays the caller's. Absent where only whole buffers
   * can be bound (onnxruntime).
   */
  adoptPart?(buffer: GPUBuffer, byteOffset: number, shape: Shape): Tensor;
  /** Whether it has ops that are gradients of others (`VjpOptions.fused`); absent where it has not. */
  readonly fusedGradients?: boolean;
  /** Tensors made and not yet disposed, and their bytes: what a leak test looks at. */
  readonly live: { readonly tensors: number; readonly byteLength: number };
  /**
   * Runs a task; when it fails, every tensor it made and did not dispose is disposed, so that running out of memory half-way leaves
   * nothing behind. One at a time, and nothing else may use the runtime meanwhile.
   */
  attempt<T>(task: () => Promise<T>): Promise<T>;
  /** Milliseconds spent inside onnxruntime's `run` so far, for benchmarks. On the GPU only until work is submitted. */
  readonly runMs: number;
  /** How WebGPU computes on this device; absent elsewhere, and where onnxruntime was asked for. */
  readonly kernelReport?: KernelReport;
  dispose(): Promise<void>;
}
