import type { Bits } from '../../src/model/network/storage-encoding.ts';
import type { Limit } from './compare.ts';

const absolute = (limit: number): Limit => ({ measure: 'absolute', limit });
const relative = (limit: number): Limit => ({ measure: 'relative', limit });

/** Data that is copied or counted, not computed. */
export const EXACT = absolute(0);

/**
 * float32 limits are those of the golden README: 28 typical mistakes still fail under them.
 *
 * 8 and 4 bits are held by relative error instead. Rounding to blocks of 32 with a scale each adds a relative error of about
 * 2⁻⁸/√3 ≈ 0.3 % (8 bit) and 2⁻⁴/√3 ≈ 5 % (4 bit) of a block's largest weight to every product, i.e. up to 3–4 times that
 * of the norm of a Gaussian block; it adds in quadrature over the three to five blocks of a tiny model, and random
 * weights have nothing that absorbs it. See docs/measurements.md for what was measured.
 */
export function limitFor(stage: string, bits: Bits): Limit {
  if (bits !== 32 && bits !== 16) return relative(bits === 8 ? 0.05 : 0.6);
  if (bits === 16) return relative(0.01);
  if (/^(processor|pixel_values|vision|film|projector|proprio|patch_tokens)/.test(stage))
    return absolute(5e-5);
  if (/^logits/.test(stage)) return absolute(1e-3);
  return absolute(3e-4);
}

/** A whole DDIM trajectory amplifies rounding (meta.json: extra.ddim_sensitivity), so only its steps are held tightly. */
export const TRAJECTORY: Limit = absolute(1e-2);
