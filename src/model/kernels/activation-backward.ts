import source from './activation-backward.wgsl?raw';
import type { Activation, Matrix } from './dense.ts';
import erf from './erf.wgsl?raw';
import { flatWorkgroups, GpuKernel, type GpuRun } from './gpu-run.ts';
import { checkGradient } from './operand-checks.ts';

const KERNEL = new GpuKernel('activation-backward', erf + source);

/**
 * dx = dy · f′(x) for x and dy [M, N], f32, as torch.nn.functional.relu's (0 at 0) and gelu's (erf form).
 *
 * @param x before the activation; for `relu` what comes out of it serves as well.
 * @returns a temporary of `run`.
 * @throws ModelError `bad-shape` where dy is shaped otherwise.
 */
export function activationBackward(
  run: GpuRun,
  x: Matrix<GPUBuffer>,
  dy: Matrix<GPUBuffer>,
  activation: Exclude<Activation, 'none'>,
): Matrix<GPUBuffer> {
  const { rows, columns } = x;
  checkGradient(activation, dy, rows, columns);
  const count = rows * columns;
  const dx = run.temporary(count * 4, `${activation} gradient`);
  const params = run.uniform([
    ['u32', count],
    ['u32', activation === 'relu' ? 1 : 2],
  ]);
  run.dispatch(KERNEL, {}, [params, x.data, dy.data, dx], flatWorkgroups(run.device, count, 64));
  return { data: dx, rows, columns };
}
