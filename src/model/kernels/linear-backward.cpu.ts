import type { BackwardOptions, LayerGradients, Matrix } from './dense.ts';
import { checkLinearBackward } from './operand-checks.ts';

/** Twin of linear-backward.wgsl and column-sums.wgsl; sums in float64, rounds once. */
export function linearBackward(
  x: Matrix<Float32Array>,
  weight: Matrix<Float32Array>,
  dy: Matrix<Float32Array>,
  gradients: LayerGradients<Float32Array>,
  options: BackwardOptions = {},
): Matrix<Float32Array> | null {
  checkLinearBackward(x, weight, dy, gradients);
  addWeightGradient(x, dy, gradients.weight);
  for (let column = 0; column < dy.columns; column++) {
    let sum = 0;
    for (let row = 0; row < dy.rows; row++) sum += dy.data[row * dy.columns + column]!;
    gradients.bias[column]! += sum;
  }
  return options.inputGradient === false ? null : inputGradient(weight, dy);
}

/** dW += dyᵀ · x */
function addWeightGradient(x: Matrix<Float32Array>, dy: Matrix<Float32Array>, gradient: Float32Array): void {
  const { data, rows, columns: width } = x;
  const { data: factors, columns } = dy;
  const strip = stripOf(width, rows);
  const sums = new Float64Array(strip);
  for (let start = 0; start < width; start += strip) {
    const length = Math.min(strip, width - start);
    for (let column = 0; column < columns; column++) {
      sums.fill(0);
      let row = 0;
      for (; row + 4 <= rows; row += 4) {
        const at = row * columns + column;
        const [a, b] = [factors[at]!, factors[at + columns]!];
        const [c, d] = [factors[at + 2 * columns]!, factors[at + 3 * columns]!];
        addFour(sums, 0, data, row * width + start, width, length, a, b, c, d);
      }
      for (; row < rows; row++) {
        addOne(sums, 0, data, row * width + start, length, factors[row * columns + column]!);
      }
      const at = column * width + start;
      for (let k = 0; k < length; k++) gradient[at + k]! += sums[k]!;
    }
  }
}

/** dx = dy · W; the weight passes once. */
function inputGradient(weight: Matrix<Float32Array>, dy: Matrix<Float32Array>): Matrix<Float32Array> {
  const { data, columns: width } = weight;
  const { data: factors, rows, columns } = dy;
  const dx = new Float32Array(rows * width);
  const strip = stripOf(width, rows);
  const sums = new Float64Array(rows * strip);
  for (let start = 0; start < width; start += strip) {
    const length = Math.min(strip, width - start);
    sums.fill(0);
    let column = 0;
    for (; column + 4 <= columns; column += 4) {
      for (let row = 0; row < rows; row++) {
        const at = row * columns + column;
        const [a, b, c, d] = [factors[at]!, factors[at + 1]!, factors[at + 2]!, factors[at + 3]!];
        addFour(sums, row * strip, data, column * width + start, width, length, a, b, c, d);
      }
    }
    for (; column < columns; column++) {
      for (let row = 0; row < rows; row++) {
        addOne(sums, row * strip, data, column * width + start, length, factors[row * columns + column]!);
      }
    }
    for (let row = 0; row < rows; row++) {
      dx.set(sums.subarray(row * strip, row * strip + length), row * width + start);
    }
  }
  return { data: dx, rows, columns: width };
}

/** The inner axis is walked in strips of which all rows stay in the processor's cache. */
function stripOf(width: number, rows: number): number {
  return Math.min(width, Math.max(64, Math.floor(32768 / rows)));
}

/**
 * sums += a, b, c, d times four rows of values. A sum is loaded and stored once for four products, which is three times
 * as fast as one row at a time.
 */
function addFour(
  sums: Float64Array,
  at: number,
  values: Float32Array,
  start: number,
  stride: number,
  length: number,
  a: number,
  b: number,
  c: number,
  d: number,
): void {
  const [second, third, fourth] = [start + stride, start + 2 * stride, start + 3 * stride];
  for (let k = 0; k < length; k++) {
    sums[at + k]! +=
      a * values[start + k]! + b * values[second + k]! + c * values[third + k]! + d * values[fourth + k]!;
  }
}

function addOne(
  sums: Float64Array,
  at: number,
  values: Float32Array,
  start: number,
  length: number,
  factor: number,
): void {
  for (let k = 0; k < length; k++) sums[at + k]! += factor * values[start + k]!;
}
