/** What the backward kernels ask of their operands, before they change any of them. */
import { ModelError } from '../errors.ts';
import { checkLinear, type LayerGradients, type Matrix } from './dense.ts';

/**
 * @throws ModelError `bad-shape` unless x [M, K], weight [N, K] and dy [M, N] fit together and every operand has
 * room for its shape.
 */
export function checkLinearBackward<T extends Float32Array | GPUBuffer>(
  x: Matrix<T>,
  weight: Matrix<T>,
  dy: Matrix<T>,
  gradients: LayerGradients<T>,
): void {
  checkLinear(x, weight, {});
  checkGradient('linear', dy, x.rows, weight.rows);
  checkLength(x.data, x.rows * x.columns, 'The input of a linear layer');
  checkLength(weight.data, weight.rows * weight.columns, 'The weight of a linear layer');
  checkLength(gradients.weight, weight.rows * weight.columns, 'The gradient of a linear weight');
  checkLength(gradients.bias, weight.rows, 'The gradient of a linear bias');
}

/** @throws ModelError `bad-shape` unless x, dy and residual are [M, N], and weight and both gradients [N]. */
export function checkLayerNormBackward<T extends Float32Array | GPUBuffer>(
  x: Matrix<T>,
  weight: T,
  dy: Matrix<T>,
  gradients: LayerGradients<T>,
  residual: Matrix<T> | undefined,
): void {
  checkGradient('layer norm', dy, x.rows, x.columns);
  if (residual) checkGradient('layer norm, residual', residual, x.rows, x.columns);
  checkLength(x.data, x.rows * x.columns, 'The input of a layer norm');
  checkLength(weight, x.columns, 'The weight of a layer norm');
  checkLength(gradients.weight, x.columns, 'The gradient of a layer norm’s weight');
  checkLength(gradients.bias, x.columns, 'The gradient of a layer norm’s bias');
}

/** @throws ModelError `bad-shape` unless dy is [rows, columns]. */
export function checkGradient<T extends Float32Array | GPUBuffer>(
  layer: string,
  dy: Matrix<T>,
  rows: number,
  columns: number,
): void {
  if (dy.rows !== rows || dy.columns !== columns) {
    throw new ModelError(
      'bad-shape',
      `${layer}: the gradient is [${dy.rows}, ${dy.columns}], what it belongs to [${rows}, ${columns}].`,
    );
  }
  checkLength(dy.data, rows * columns, `The gradient of a ${layer}`);
}

/** @throws ModelError `bad-shape` unless an array has `count` floats, or a buffer (which is padded) at least these. */
export function checkLength(data: Float32Array | GPUBuffer, count: number, what: string): void {
  const held = data instanceof Float32Array ? data.length : Math.floor(data.size / 4);
  if (data instanceof Float32Array ? held === count : held >= count) return;
  throw new ModelError('bad-shape', `${what} holds ${held} values; ${count} were expected.`);
}

/** @throws ModelError `bad-shape` unless there is a target per row, `bad-input` unless each is a column's number. */
export function checkTargets(targets: ArrayLike<number>, rows: number, columns: number): void {
  if (targets.length !== rows) {
    throw new ModelError('bad-shape', `There are ${targets.length} targets for ${rows} rows of logits.`);
  }
  for (let row = 0; row < rows; row++) {
    const target = targets[row]!;
    if (Number.isInteger(target) && target >= 0 && target < columns) continue;
    throw new ModelError(
      'bad-input',
      `Target ${row} is class ${target}; the logits have classes 0 to ${columns - 1}.`,
      'Leave rows without a target out of the logits.',
    );
  }
}

/** @throws ModelError `bad-shape` unless `count` values from `offset` lie within `length`. */
export function checkRange(offset: number, count: number, length: number): void {
  if (
    Number.isInteger(offset) &&
    Number.isInteger(count) &&
    offset >= 0 &&
    count >= 0 &&
    offset + count <= length
  ) {
    return;
  }
  throw new ModelError('bad-shape', `${count} values from ${offset} do not lie within a range of ${length}.`);
}
