import { GpuKernel, type GpuRun } from './gpu-run.ts';
import { pixelGroups, type GpuPixels } from './pixels.ts';
import { packSpans } from './resample.ts';
import type { ResampleTable } from './resample-table.ts';
import source from './resample-float.wgsl?raw';

const ROWS = new GpuKernel('resample-float rows', source, 'rows');
const COLUMNS = new GpuKernel('resample-float columns', source, 'columns');

/** TensorFlow's resize; the result is a temporary of `run`. */
export function resampleFloat(
  run: GpuRun,
  input: GpuPixels,
  rows: ResampleTable<Float32Array>,
  columns: ResampleTable<Float32Array>,
): GpuPixels {
  const width = columns.start.length;
  const height = rows.start.length;
  const middle = run.temporary(input.width * height * 16, 'resampled rows');
  const buffer = run.temporary(width * height * 4, 'resampled');
  const pass = (
    kernel: GpuKernel,
    table: ResampleTable<Float32Array>,
    from: GPUBuffer,
    to: GPUBuffer,
    outputWidth: number,
  ): void => {
    const params = run.uniform([
      ['u32', outputWidth],
      ['u32', height],
      ['u32', input.width],
      ['u32', table.taps],
    ]);
    run.dispatch(
      kernel,
      {},
      [params, run.upload(packSpans(table)), run.upload(table.weights), from, to],
      pixelGroups(outputWidth, height),
    );
  };
  pass(ROWS, rows, input.buffer, middle, input.width);
  pass(COLUMNS, columns, middle, buffer, width);
  return { width, height, buffer };
}
