import { checkLinear, type LinearOptions, type Matrix } from './dense.ts';
import { gelu } from './gelu.ts';

/** Twin of linear.wgsl; sums in float64, rounds once. */
export function linear(
  x: Matrix<Float32Array>,
  weight: Matrix<Float32Array>,
  options: LinearOptions<Float32Array> = {},
): Matrix<Float32Array> {
  checkLinear(x, weight, options);
  const { bias, residual, activation = 'none' } = options;
  const [rows, depth, columns] = [x.rows, x.columns, weight.rows];
  const output = new Float32Array(rows * columns);
  // Columns outside, so that a long weight row is read from memory once for all input rows.
  for (let column = 0; column < columns; column++) {
    const weightRow = weight.data.subarray(column * depth, (column + 1) * depth);
    for (let row = 0; row < rows; row++) {
      const at = row * columns + column;
      let value = dot(x.data.subarray(row * depth, (row + 1) * depth), weightRow) + (bias?.[column] ?? 0);
      if (activation === 'relu') value = Math.max(value, 0);
      else if (activation === 'gelu') value = gelu(value);
      output[at] = value + (residual?.data[at] ?? 0);
    }
  }
  return { data: output, rows, columns };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}
