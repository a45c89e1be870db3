import type { LayerNormOptions, Matrix } from './dense.ts';

/** Twin of layer-norm.wgsl; statistics in float64. */
export function layerNorm(
  x: Matrix<Float32Array>,
  weight: Float32Array,
  bias: Float32Array,
  options: LayerNormOptions = {},
): Matrix<Float32Array> {
  const { rows, columns } = x;
  const output = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += x.data[start + i]!;
    const mean = sum / columns;
    let squares = 0;
    for (let i = 0; i < columns; i++) squares += (x.data[start + i]! - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / columns + (options.epsilon ?? 1e-5));
    for (let i = 0; i < columns; i++) {
      output[start + i] = (x.data[start + i]! - mean) * scale * weight[i]! + bias[i]!;
    }
  }
  return { data: output, rows, columns };
}
