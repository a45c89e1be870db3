import type { LayerGradients, LayerNormBackwardOptions, Matrix } from './dense.ts';
import { flatWorkgroups, GpuKernel, type GpuRun } from './gpu-run.ts';
import weightsSource from './layer-norm-backward-weights.wgsl?raw';
import source from './layer-norm-backward.wgsl?raw';
import { checkLayerNormBackward } from './operand-checks.ts';

const KERNEL = new GpuKernel('layer-norm-backward', source);
const WEIGHTS_KERNEL = new GpuKernel('layer-norm-backward-weights', weightsSource);

/**
 * The backward pass of LayerNorm over the columns of x [M, N] with weight and bias [N], f32, as torch.nn.LayerNorm's:
 * dx + residual is returned; the gradients of weight and bias are added to `gradients` in place.
 *
 * @returns [M, N], a temporary of `run`; null where `inputGradient` is false.
 * @throws ModelError `bad-shape`; nothing is recorded then.
 */
export function layerNormBackward(
  run: GpuRun,
  x: Matrix<GPUBuffer>,
  weight: GPUBuffer,
  dy: Matrix<GPUBuffer>,
  gradients: LayerGradients<GPUBuffer>,
  options: LayerNormBackwardOptions<GPUBuffer> = {},
): Matrix<GPUBuffer> | null {
  const { residual, epsilon = 1e-5, inputGradient = true } = options;
  checkLayerNormBackward(x, weight, dy, gradients, residual);
  const { rows, columns } = x;
  const statistics = run.temporary(rows * 8, 'layer-norm statistics');
  // Without an output there still is a binding; the kernel does not write it.
  const dx = run.temporary(inputGradient ? rows * columns * 4 : 4, 'layer-norm input gradient');
  const params = run.uniform([
    ['u32', rows],
    ['u32', columns],
    ['f32', epsilon],
    ['u32', residual ? 1 : 0],
    ['u32', inputGradient ? 1 : 0],
  ]);
  run.dispatch(
    KERNEL,
    {},
    [params, x.data, weight, dy.data, residual?.data ?? dy.data, statistics, dx],
    flatWorkgroups(run.device, rows, 1),
  );
  run.dispatch(
    WEIGHTS_KERNEL,
    {},
    [params, x.data, dy.data, statistics, gradients.weight, gradients.bias],
    [Math.ceil(columns / 64)],
  );
  return inputGradient ? { data: dx, rows, columns } : null;
}
