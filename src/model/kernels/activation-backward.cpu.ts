import type { Activation, Matrix } from './dense.ts';
import { geluDerivative } from './gelu.ts';
import { checkGradient } from './operand-checks.ts';

/** Twin of activation-backward.wgsl; in float64, rounds once. */
export function activationBackward(
  x: Matrix<Float32Array>,
  dy: Matrix<Float32Array>,
  activation: Exclude<Activation, 'none'>,
): Matrix<Float32Array> {
  const { rows, columns } = x;
  checkGradient(activation, dy, rows, columns);
  const dx = new Float32Array(rows * columns);
  for (let i = 0; i < dx.length; i++) {
    const value = x.data[i]!;
    if (activation === 'gelu') dx[i] = dy.data[i]! * geluDerivative(value);
    else if (value > 0) dx[i] = dy.data[i]!;
  }
  return { data: dx, rows, columns };
}
