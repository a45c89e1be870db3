import { GpuKernel, type GpuRun } from './gpu-run.ts';
import source from './l1-loss.wgsl?raw';
import { checkLength } from './operand-checks.ts';

const KERNEL = new GpuKernel('l1-loss', source);

/**
 * The mean absolute error of `count` f32, as torch.nn.L1Loss (its gradient is 0 where both are equal).
 *
 * @param factor multiplies loss and gradient: 1 / number of micro-batches in a step.
 * @param loss one element, to which the loss is added.
 * @returns the gradient of the prediction, a temporary of `run`.
 * @throws ModelError `bad-shape` where an operand is too short.
 */
export function l1Loss(
  run: GpuRun,
  prediction: GPUBuffer,
  target: GPUBuffer,
  count: number,
  factor: number,
  loss: GPUBuffer,
): GPUBuffer {
  checkLength(prediction, count, 'The prediction');
  checkLength(target, count, 'The target');
  const gradient = run.temporary(count * 4, 'l1 gradient');
  const params = run.uniform([
    ['u32', count],
    ['f32', factor / count],
  ]);
  run.dispatch(KERNEL, {}, [params, prediction, target, gradient, loss], [1]);
  return gradient;
}
