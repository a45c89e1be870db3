import { checkLength } from './operand-checks.ts';

/** `l1`: mean of |d|, torch.nn.L1Loss (its gradient is 0 where d is). `mse`: mean of d², torch.nn.MSELoss. */
export type RegressionLoss = 'l1' | 'mse';

/** Twin of regression-loss.wgsl; sums in float64. */
export function regressionLoss(
  kind: RegressionLoss,
  prediction: Float32Array,
  target: Float32Array,
  factor: number,
  loss: Float32Array,
): Float32Array {
  const count = prediction.length;
  checkLength(target, count, 'The target');
  checkLength(loss, 1, 'The loss');
  const gradient = new Float32Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const d = prediction[i]! - target[i]!;
    sum += kind === 'l1' ? Math.abs(d) : d * d;
    gradient[i] = ((kind === 'l1' ? Math.sign(d) : 2 * d) * factor) / count;
  }
  loss[0]! += (sum * factor) / count;
  return gradient;
}
