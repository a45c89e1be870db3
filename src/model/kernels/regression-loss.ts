import { GpuKernel, type GpuRun } from './gpu-run.ts';
import { checkLength } from './operand-checks.ts';
import type { RegressionLoss } from './regression-loss.cpu.ts';
import source from './regression-loss.wgsl?raw';

const KERNEL = new GpuKernel('regression-loss', source);

/**
 * The mean absolute or mean squared error of `count` f32.
 *
 * @param factor multiplies loss and gradient: 1 / number of micro-batches in a step.
 * @param loss one element, to which the loss is added.
 * @returns the gradient of the prediction, a temporary of `run`.
 * @throws ModelError `bad-shape` where an operand is too short.
 */
export function regressionLoss(
  run: GpuRun,
  kind: RegressionLoss,
  prediction: GPUBuffer,
  target: GPUBuffer,
  count: number,
  factor: number,
  loss: GPUBuffer,
): GPUBuffer {
  checkLength(prediction, count, 'The prediction');
  checkLength(target, count, 'The target');
  const gradient = run.temporary(count * 4, `${kind} gradient`);
  const params = run.uniform([
    ['u32', count],
    ['f32', factor / count],
  ]);
  run.dispatch(
    KERNEL,
    { SQUARED: kind === 'mse' ? 1 : 0 },
    [params, prediction, target, gradient, loss],
    [1],
  );
  return gradient;
}
