import source from './column-sums.wgsl?raw';
import type { Matrix } from './dense.ts';
import { GpuKernel, type GpuRun } from './gpu-run.ts';

const KERNEL = new GpuKernel('column-sums', source);

/** sums [N] += the column sums of x [M, N], f32, in a fixed order. Its twins sum where they need it. */
export function columnSums(run: GpuRun, x: Matrix<GPUBuffer>, sums: GPUBuffer): void {
  const params = run.uniform([
    ['u32', x.rows],
    ['u32', x.columns],
  ]);
  run.dispatch(KERNEL, {}, [params, x.data, sums], [Math.ceil(x.columns / 64)]);
}
