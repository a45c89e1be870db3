import source from './crop-resize.wgsl?raw';
import { GpuKernel, type GpuRun } from './gpu-run.ts';
import { pixelGroups, type GpuPixels } from './pixels.ts';

const KERNEL = new GpuKernel('crop-resize', source);

/**
 * Input coordinates, f32, that crop_and_resize samples along one axis for the middle part of an image
 * (core/kernels/image/crop_and_resize_op.cc).
 *
 * @param side share of the side that is kept, 0…1.
 */
export function centerCropPositions(input: number, output: number, side: number): Float32Array<ArrayBuffer> {
  const { fround } = Math;
  const kept = fround(side);
  const from = fround((1 - kept) / 2);
  const to = fround(from + kept);
  const last = input - 1;
  if (output === 1) return new Float32Array([0.5 * (from + to) * last]);
  const scale = fround(fround(fround(to - from) * last) / (output - 1));
  const origin = fround(from * last);
  return Float32Array.from({ length: output }, (_, i) => origin + fround(i * scale));
}

/** Samples `input` at the given columns and rows; the result is a temporary of `run`. */
export function cropResize(
  run: GpuRun,
  input: GpuPixels,
  columns: Float32Array,
  rows: Float32Array,
): GpuPixels {
  const [width, height] = [columns.length, rows.length];
  const buffer = run.temporary(width * height * 4, 'cropped');
  const params = run.uniform([
    ['u32', width],
    ['u32', height],
    ['u32', input.width],
    ['u32', input.height],
  ]);
  const positions = run.upload(Float32Array.of(...columns, ...rows));
  run.dispatch(KERNEL, {}, [params, positions, input.buffer, buffer], pixelGroups(width, height));
  return { width, height, buffer };
}
