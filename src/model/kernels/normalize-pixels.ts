import { GpuKernel, type GpuRun } from './gpu-run.ts';
import source from './normalize-pixels.wgsl?raw';
import type { GpuPixels } from './pixels.ts';

const KERNEL = new GpuKernel('normalize-pixels', source);

/** Per channel, of values in 0…1. */
export interface Normalization {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** Writes three planes of f32 into `planes`, the first at `offset` (in floats). */
export function normalizePixels(
  run: GpuRun,
  input: GpuPixels,
  normalization: Normalization,
  planes: GPUBuffer,
  offset: number,
): void {
  const { mean, std } = normalization;
  const count = input.width * input.height;
  const params = run.uniform([
    ['u32', count],
    ['u32', offset],
    ...[...mean, ...std].map((value) => ['f32', value] as const),
  ]);
  run.dispatch(KERNEL, {}, [params, input.buffer, planes], [Math.ceil(count / 64)]);
}
