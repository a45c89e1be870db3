import { columnSums } from './column-sums.ts';
import type { BackwardOptions, LayerGradients, Matrix } from './dense.ts';
import { GpuKernel, requireBindable, type GpuRun } from './gpu-run.ts';
import source from './linear-backward.wgsl?raw';
import { tileFor } from './linear.ts';
import { checkLinearBackward } from './operand-checks.ts';

const KERNEL = new GpuKernel('linear-backward', source);
const TILE_COLUMNS = 32;
/** Gradients of weights have short sums (the rows of x): no slices, one 4 x 4 block for each of 64 threads. */
const WEIGHT_TILE = { TILE_ROWS: 32, GROUP_ROWS: 8, SLICES: 1, DEPTH: 16 };

/**
 * The backward pass of y [M, N] = x [M, K] · Wᵀ [N, K] + b [N], f32, as torch.nn.functional.linear's:
 * dx = dy · W is returned; dW += dyᵀ · x and db += the column sums of dy are added to `gradients` in place.
 *
 * @param gradients [N, K] and [N], in buffers of their own.
 * @returns dx [M, K], a temporary of `run`; null where `inputGradient` is false.
 * @throws ModelError `bad-shape`, or `out-of-memory` when a matrix exceeds what the device binds at once; nothing is
 * recorded then.
 */
export function linearBackward(
  run: GpuRun,
  x: Matrix<GPUBuffer>,
  weight: Matrix<GPUBuffer>,
  dy: Matrix<GPUBuffer>,
  gradients: LayerGradients<GPUBuffer>,
  options: BackwardOptions = {},
): Matrix<GPUBuffer> | null {
  checkLinearBackward(x, weight, dy, gradients);
  const { rows, columns: width } = x;
  const columns = weight.rows;
  requireBindable(run.device, columns * width * 4, `linear weight [${columns}, ${width}]`);
  requireBindable(run.device, rows * Math.max(width, columns) * 4, 'linear input or gradient');
  multiply(run, dy, x, columns, gradients.weight, { ...WEIGHT_TILE, OF_WEIGHT: true });
  columnSums(run, dy, gradients.bias);
  if (options.inputGradient === false) return null;
  const dx = run.temporary(rows * width * 4, 'linear input gradient');
  multiply(run, dy, weight, rows, dx, { ...tileFor(rows), OF_WEIGHT: false });
  return { data: dx, rows, columns: width };
}

/** output [rows, K] = (dy or dyᵀ) · right [depth, K] */
function multiply(
  run: GpuRun,
  dy: Matrix<GPUBuffer>,
  right: Matrix<GPUBuffer>,
  rows: number,
  output: GPUBuffer,
  constants: typeof WEIGHT_TILE & { OF_WEIGHT: boolean },
): void {
  const params = run.uniform([
    ['u32', rows],
    ['u32', right.columns],
    ['u32', right.rows],
  ]);
  const groups = [Math.ceil(right.columns / TILE_COLUMNS), Math.ceil(rows / constants.TILE_ROWS)] as const;
  run.dispatch(KERNEL, constants, [params, dy.data, right.data, output], groups);
}
