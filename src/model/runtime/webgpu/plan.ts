/** What a graph becomes: dispatches over blocks of memory. Plain data, made without a device. */
import type { Shape } from '../../graph/types.ts';

/** The parts of a packed weight, or the whole of anything else. */
export type Part = 'value' | 'codes' | 'scales';

/** Where the bytes of a block come from. */
export type Source =
  | { readonly kind: 'input'; readonly name: string; readonly part: Part }
  /** Offset in bytes in the program's buffer of constants. */
  | { readonly kind: 'constant'; readonly index: number }
  | { readonly kind: 'output'; readonly name: string }
  /** Memory of the caller's, to which an output is added. */
  | { readonly kind: 'sum'; readonly name: string }
  /** Lives between dispatches of one run only. */
  | { readonly kind: 'arena' };

export interface Block {
  readonly id: number;
  readonly source: Source;
  readonly byteLength: number;
  /** The op that made it, for people. */
  readonly note: string;
}

/** A part of a block as a kernel binds it. Offsets are multiples of `OFFSET_ALIGNMENT`. */
export interface Binding {
  readonly block: number;
  readonly offset: number;
  readonly byteLength: number;
}

/** WebGPU's minStorageBufferOffsetAlignment, at most, on every device. */
export const OFFSET_ALIGNMENT = 256;

export type Field = readonly ['u32' | 'f32', number];

/** One way to compute a step: its result is the same whatever the variant, but for rounding. */
export interface Variant {
  /** For people: `tile 128x64`. */
  readonly name: string;
  readonly kernel: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly workgroups: readonly [number, number, number];
}

/** One dispatch: uniforms at binding 0, `reads` from 1 on, then `write`. */
export interface Step {
  /** The name of the kernel (`kernels/index.ts`). */
  readonly kernel: string;
  /** Values of the kernel's `override` declarations. */
  readonly constants: Readonly<Record<string, number>>;
  readonly params: readonly Field[];
  readonly reads: readonly Binding[];
  readonly write: Binding;
  readonly workgroups: readonly [number, number, number];
  /** The ops it computes, for people and tests. */
  readonly note: string;
  /** Other ways to compute it: what a tuner has to choose from. The step itself is the first of them. */
  readonly variants?: readonly Variant[];
}

export interface Plan {
  readonly name: string;
  readonly blocks: readonly Block[];
  readonly steps: readonly Step[];
  readonly constants: readonly Float32Array[];
  /** Made by a run. */
  readonly outputs: readonly { readonly name: string; readonly shape: Shape }[];
  /** Added to what the caller gives. */
  readonly sums: readonly { readonly name: string; readonly shape: Shape }[];
}

/** What a plan has to know about the device. */
export interface Limits {
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxStorageBufferBindingSize: number;
}

/**
 * How kernels share work: `tiled` through workgroup memory and barriers, as GPUs like it; `direct` each thread for itself, which is faster
 * by far where a CPU plays GPU (SwiftShader: 0.06 against 0.12 GFLOPS, and seconds less to compile).
 */
export type Style = 'tiled' | 'direct';

/** What has kernels of both styles; anything else is computed in one way. */
export type Subject =
  | 'product'
  | 'attention'
  | 'attention gradient'
  | 'normalize'
  | 'norm gradient'
  | 'reduce'
  | 'tokens';

/** Subjects that are computed in another style than the device's, as its own was wrong there (`self-check.ts`). */
export type Styles = Readonly<Partial<Record<Subject, Style>>>;
