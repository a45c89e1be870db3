import { GpuKernel, type GpuRun } from './gpu-run.ts';
import { pixelGroups, type GpuPixels } from './pixels.ts';
import type { ResampleTable } from './resample-table.ts';
import source from './resample.wgsl?raw';

const KERNEL = new GpuKernel('resample', source);

/** A pass of a resampler: which axis, and its weights. */
export interface ResamplePass<W extends Int32Array | Float32Array> {
  readonly axis: 'horizontal' | 'vertical';
  readonly table: ResampleTable<W>;
}

/** Start and count of each span, side by side, as the kernels read them. */
export function packSpans(table: ResampleTable<Int32Array | Float32Array>): Uint32Array {
  return Uint32Array.from({ length: table.start.length * 2 }, (_, i) =>
    i % 2 === 0 ? table.start[i >> 1]! : table.count[i >> 1]!,
  );
}

/** One pass of Pillow's resize; the result is a temporary of `run`. */
export function resample(run: GpuRun, input: GpuPixels, pass: ResamplePass<Int32Array>): GpuPixels {
  const { axis, table } = pass;
  const vertical = axis === 'vertical';
  const width = vertical ? input.width : table.start.length;
  const height = vertical ? table.start.length : input.height;
  const buffer = run.temporary(width * height * 4, 'resampled');
  const params = run.uniform([
    ['u32', width],
    ['u32', height],
    ['u32', input.width],
    ['u32', table.taps],
  ]);
  run.dispatch(
    KERNEL,
    { VERTICAL: vertical },
    [params, run.upload(packSpans(table)), run.upload(table.weights), input.buffer, buffer],
    pixelGroups(width, height),
  );
  return { width, height, buffer };
}
