import { checkLength } from './operand-checks.ts';

/** Twin of l1-loss.wgsl; sums in float64. */
export function l1Loss(
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
    sum += Math.abs(d);
    gradient[i] = (Math.sign(d) * factor) / count;
  }
  loss[0]! += (sum * factor) / count;
  return gradient;
}
