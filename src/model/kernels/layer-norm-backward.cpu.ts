import type { LayerGradients, LayerNormBackwardOptions, Matrix } from './dense.ts';
import { checkLayerNormBackward } from './operand-checks.ts';

/** Twin of layer-norm-backward.wgsl and layer-norm-backward-weights.wgsl; sums in float64, rounds once. */
export function layerNormBackward(
  x: Matrix<Float32Array>,
  weight: Float32Array,
  dy: Matrix<Float32Array>,
  gradients: LayerGradients<Float32Array>,
  options: LayerNormBackwardOptions<Float32Array> = {},
): Matrix<Float32Array> | null {
  const { residual, epsilon = 1e-5, inputGradient = true } = options;
  checkLayerNormBackward(x, weight, dy, gradients, residual);
  const { rows, columns } = x;
  const dx = inputGradient ? new Float32Array(rows * columns) : null;
  const weightSums = new Float64Array(columns);
  const biasSums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += x.data[start + i]!;
    const mean = sum / columns;
    let squares = 0;
    for (let i = 0; i < columns; i++) squares += (x.data[start + i]! - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / columns + epsilon);
    let [plain, weighted] = [0, 0];
    for (let i = 0; i < columns; i++) {
      const normed = (x.data[start + i]! - mean) * scale;
      const upstream = dy.data[start + i]!;
      weightSums[i]! += upstream * normed;
      biasSums[i]! += upstream;
      plain += upstream * weight[i]!;
      weighted += upstream * weight[i]! * normed;
    }
    if (!dx) continue;
    for (let i = 0; i < columns; i++) {
      const normed = (x.data[start + i]! - mean) * scale;
      const centered = dy.data[start + i]! * weight[i]! - plain / columns - (normed * weighted) / columns;
      dx[start + i] = scale * centered + (residual?.data[start + i] ?? 0);
    }
  }
  for (let i = 0; i < columns; i++) {
    gradients.weight[i]! += weightSums[i]!;
    gradients.bias[i]! += biasSums[i]!;
  }
  return dx && { data: dx, rows, columns };
}
