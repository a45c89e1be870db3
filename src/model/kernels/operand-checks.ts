/** What kernels ask of their operands, before they change any of them. */
import { ModelError } from '../../base/errors.ts';

/** @throws ModelError `bad-shape` unless an array has `count` floats, or a buffer (which is padded) at least these. */
export function checkLength(
  data: Float32Array | { readonly size: number },
  count: number,
  what: string,
): void {
  const held = data instanceof Float32Array ? data.length : Math.floor(data.size / 4);
  if (data instanceof Float32Array ? held === count : held >= count) return;
  throw new ModelError('bad-shape', `${what} holds ${held} values; ${count} were expected.`);
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
