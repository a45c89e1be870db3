import type { LayerNormOptions, Matrix } from './dense.ts';
import { GpuKernel, type GpuRun } from './gpu-run.ts';
import source from './layer-norm.wgsl?raw';

const KERNEL = new GpuKernel('layer-norm', source);

/**
 * LayerNorm over the columns of x [M, N] with weight and bias [N], f32, as torch.nn.LayerNorm.
 *
 * @param output filled if given; else a temporary of `run`.
 */
export function layerNorm(
  run: GpuRun,
  x: Matrix<GPUBuffer>,
  weight: GPUBuffer,
  bias: GPUBuffer,
  options: LayerNormOptions = {},
  output?: GPUBuffer,
): Matrix<GPUBuffer> {
  const { rows, columns } = x;
  const target = output ?? run.temporary(rows * columns * 4, 'layer-norm output');
  const side = Math.min(rows, run.device.limits.maxComputeWorkgroupsPerDimension);
  run.dispatch(
    KERNEL,
    {},
    [
      run.uniform([
        ['u32', rows],
        ['u32', columns],
        ['f32', options.epsilon ?? 1e-5],
      ]),
      x.data,
      weight,
      bias,
      target,
    ],
    [side, Math.ceil(rows / side)],
  );
  return { data: target, rows, columns };
}
