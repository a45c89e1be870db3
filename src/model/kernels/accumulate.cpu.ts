import { ModelError } from '../../base/errors.ts';
import { checkRange } from './operand-checks.ts';

/** Twin of accumulate.wgsl. */
export function accumulate(
  target: Float32Array,
  offset: number,
  addend: Float32Array,
  count: number,
  factor: number,
): void {
  checkRange(offset, count, target.length);
  if (addend.length < count) {
    throw new ModelError('bad-shape', `What is added holds ${addend.length} values; ${count} were expected.`);
  }
  for (let i = 0; i < count; i++) target[offset + i]! += addend[i]! * factor;
}
