import type { Matrix } from './dense.ts';
import { checkLength, checkTargets } from './operand-checks.ts';

/**
 * Twin of cross-entropy.wgsl; in float64, rounds once.
 *
 * @param output takes the gradient if given; here it may be the logits' own array.
 */
export function crossEntropy(
  logits: Matrix<Float32Array>,
  targets: ArrayLike<number>,
  factor: number,
  loss: Float32Array,
  output?: Float32Array,
): Matrix<Float32Array> {
  const { data, rows, columns } = logits;
  checkTargets(targets, rows, columns);
  checkLength(data, rows * columns, 'A matrix of logits');
  if (output) checkLength(output, rows * columns, 'The gradient of the logits');
  checkLength(loss, 1, 'The loss');
  const gradient = output ?? new Float32Array(rows * columns);
  const scale = factor / rows;
  const powers = new Float64Array(columns);
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const target = targets[row]!;
    let highest = -Infinity;
    for (let i = start; i < start + columns; i++) if (data[i]! > highest) highest = data[i]!;
    let sum = 0;
    for (let i = 0; i < columns; i++) {
      const power = Math.exp(data[start + i]! - highest);
      powers[i] = power;
      sum += power;
    }
    total += Math.log(sum) + highest - data[start + target]!;
    const share = scale / sum;
    for (let i = 0; i < columns; i++) gradient[start + i] = powers[i]! * share;
    gradient[start + target] = (powers[target]! / sum - 1) * scale;
  }
  loss[0]! += total * scale;
  return { data: gradient, rows, columns };
}
