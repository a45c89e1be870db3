import { ModelError } from '../errors.ts';
import { checkLinear, type LinearOptions, type Matrix } from './dense.ts';
import erf from './erf.wgsl?raw';
import { GpuKernel, requireBindable, type GpuRun } from './gpu-run.ts';
import source from './linear.wgsl?raw';

const KERNEL = new GpuKernel('linear', erf + source);
const ACTIVATIONS = { none: 0, relu: 1, gelu: 2 };
const TILE_COLUMNS = 32;

/**
 * y [M, N] = activation(x [M, K] · Wᵀ [N, K] + bias [N]) + residual [M, N], f32, as torch.nn.functional.linear.
 *
 * @param output filled if given (it may be no input at the same time); else a temporary of `run`.
 * @throws ModelError `bad-shape`, or `out-of-memory` when a matrix exceeds what the device binds at once.
 */
export function linear(
  run: GpuRun,
  x: Matrix<GPUBuffer>,
  weight: Matrix<GPUBuffer>,
  options: LinearOptions<GPUBuffer> = {},
  output?: GPUBuffer,
): Matrix<GPUBuffer> {
  checkLinear(x, weight, options);
  const { bias, residual, activation = 'none' } = options;
  const [rows, depth, columns] = [x.rows, x.columns, weight.rows];
  requireBindable(run.device, columns * depth * 4, `linear weight [${columns}, ${depth}]`);
  requireBindable(run.device, rows * depth * 4, `linear input [${rows}, ${depth}]`);
  if (weight.data.size < columns * depth * 4 || x.data.size < rows * depth * 4) {
    throw new ModelError(
      'bad-shape',
      `linear: a buffer is smaller than its shape [${rows}, ${depth}] or [${columns}, ${depth}].`,
    );
  }
  const target = output ?? run.temporary(rows * columns * 4, 'linear output');
  const tile = tileFor(rows);
  run.dispatch(
    KERNEL,
    tile,
    [
      run.uniform([
        ['u32', rows],
        ['u32', columns],
        ['u32', depth],
        ['u32', ACTIVATIONS[activation]],
        ['u32', bias ? 1 : 0],
        ['u32', residual ? 1 : 0],
      ]),
      x.data,
      weight.data,
      // An absent operand still needs a binding; the kernel does not read it.
      bias ?? x.data,
      residual?.data ?? x.data,
      target,
    ],
    [Math.ceil(columns / TILE_COLUMNS), Math.ceil(rows / tile.TILE_ROWS)],
  );
  return { data: target, rows, columns };
}

/** 256 threads a workgroup and at most 16 KB of workgroup memory, WebGPU's defaults, whatever the tile. */
export function tileFor(rows: number): {
  TILE_ROWS: number;
  GROUP_ROWS: number;
  SLICES: number;
  DEPTH: number;
} {
  if (rows <= 4) return { TILE_ROWS: 4, GROUP_ROWS: 1, SLICES: 32, DEPTH: 32 };
  if (rows <= 8) return { TILE_ROWS: 8, GROUP_ROWS: 2, SLICES: 16, DEPTH: 32 };
  return { TILE_ROWS: 32, GROUP_ROWS: 8, SLICES: 4, DEPTH: 16 };
}
