import { ModelError } from '../../base/errors.ts';
import type { Shape, Value } from './types.ts';

export function badShape(op: string, found: string, expected: string): ModelError {
  return new ModelError('bad-shape', `${op}: found ${found}, expected ${expected}.`);
}

export function show(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** Throws `bad-shape` unless every value is float32. */
export function expectFloat(op: string, ...values: Value[]): void {
  for (const value of values) {
    if (value.dtype !== 'float32') throw badShape(op, `a ${value.dtype} operand`, 'float32');
  }
}

/** The last dimension; throws `bad-shape` for a scalar. */
export function lastDim(op: string, value: Value): number {
  const dim = value.shape.at(-1);
  if (dim === undefined) throw badShape(op, 'a scalar', 'at least one axis');
  return dim;
}

/** Turns a negative axis into its positive form and checks the range. */
export function resolveAxis(op: string, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw badShape(op, `axis ${axis}`, `an axis of a rank-${rank} tensor`);
  }
  return resolved;
}

/** NumPy broadcasting of two shapes; throws `bad-shape` when they do not fit. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const dimA = a[axis - rank + a.length] ?? 1;
    const dimB = b[axis - rank + b.length] ?? 1;
    if (dimA !== dimB && dimA !== 1 && dimB !== 1) {
      throw badShape(op, `${show(a)} and ${show(b)}`, 'shapes that broadcast');
    }
    return dimA === 1 ? dimB : dimA;
  });
}

/** Every dimension a positive safe integer, product within 2^40 elements. */
export function checkShape(op: string, shape: Shape): void {
  let size = 1;
  for (const dim of shape) {
    if (!Number.isInteger(dim) || dim <= 0) throw badShape(op, show(shape), 'positive integer dimensions');
    size *= dim;
  }
  if (size > 2 ** 40) throw badShape(op, `${show(shape)} (${size} elements)`, 'at most 2^40 elements');
}
