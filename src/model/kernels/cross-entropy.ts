import { columnSums } from './column-sums.ts';
import source from './cross-entropy.wgsl?raw';
import type { Matrix } from './dense.ts';
import { flatWorkgroups, GpuKernel, requireBindable, type GpuRun } from './gpu-run.ts';
import { checkLength, checkTargets } from './operand-checks.ts';

const KERNEL = new GpuKernel('cross-entropy', source);

/**
 * Softmax cross-entropy of logits [R, V] f32, mean over the rows, as torch.nn.functional.cross_entropy.
 *
 * @param targets [R] class numbers below V; on the CPU, where they come from and can be checked.
 * @param factor multiplies loss and gradient: 1 / number of micro-batches in a step.
 * @param loss one element, to which the loss is added.
 * @param output takes the gradient if given (it may not be the logits' buffer); else it is a temporary of `run`.
 * @returns the gradient of the logits [R, V].
 * @throws ModelError `bad-shape` or `bad-input` for targets that do not fit, `out-of-memory` when the logits exceed
 * what the device binds at once.
 */
export function crossEntropy(
  run: GpuRun,
  logits: Matrix<GPUBuffer>,
  targets: ArrayLike<number>,
  factor: number,
  loss: GPUBuffer,
  output?: GPUBuffer,
): Matrix<GPUBuffer> {
  const { rows, columns } = logits;
  checkTargets(targets, rows, columns);
  checkLength(logits.data, rows * columns, 'A matrix of logits');
  requireBindable(run.device, rows * columns * 4, `logits [${rows}, ${columns}]`);
  const gradient = output ?? run.temporary(rows * columns * 4, 'logits gradient');
  const losses = run.temporary(rows * 4, 'cross-entropy rows');
  const params = run.uniform([
    ['u32', rows],
    ['u32', columns],
    ['f32', factor / rows],
  ]);
  run.dispatch(
    KERNEL,
    {},
    [params, logits.data, run.upload(Uint32Array.from(targets), 'targets'), gradient, losses],
    flatWorkgroups(run.device, rows, 1),
  );
  columnSums(run, { data: losses, rows, columns: 1 }, loss);
  return { data: gradient, rows, columns };
}
