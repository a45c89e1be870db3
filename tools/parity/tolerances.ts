import type { Bits } from '../../src/model/network/storage-encoding.ts';
import type { Limit } from './compare.ts';

const absolute = (limit: number): Limit => ({ measure: 'absolute', limit });
const relative = (limit: number): Limit => ({ measure: 'relative', limit });

/** Data that is copied or counted, not computed. */
export const EXACT = absolute(0);

/** Shown, not held. */
const PRINTED = relative(Infinity);

/**
 * Limits against PyTorch.
 *
 * float32: those of the golden README; 28 typical mistakes still fail under them.
 *
 * Fewer bits change the weights themselves. A block of 32 Gaussian weights has a peak of about 2.1 σ, so its codes are
 * 2.1 σ / 8 apart at 4 bits and 2.1 σ / 128 at 8: a relative rounding error of 7.6 % and 0.47 % (f16: 2⁻¹² to
 * 2⁻¹¹/√3 ≈ 0.03 %) in the first product, whose input is exact. That product is held to one and a half times as much.
 * The error then grows from product to product. Vision and projector are held to what five products in a row can make of
 * it; behind them tiny random networks amplify without limit (an L1 head of width 24 turns 4 % into 24 %), so those stages
 * are printed only. That the *computation* is right at every stage is shown by `asFloat32` rows.
 */
export function limitFor(stage: string, bits: Bits): Limit {
  if (bits !== 32) {
    if (/^vision\/.*block0\.attn\.qkv$/.test(stage)) return relative({ 16: 6e-4, 8: 8e-3, 4: 0.12 }[bits]);
    if (/^(vision|film|projector)/.test(stage)) return relative({ 16: 3e-3, 8: 0.04, 4: 0.5 }[bits]);
    return PRINTED;
  }
  return float32Limit(stage);
}

/** Absolute limits of the golden README for float32 arithmetic, whatever the weights are. */
export function float32Limit(stage: string): Limit {
  if (/^(processor|pixel_values|vision|film|projector|proprio|patch_tokens)/.test(stage))
    return absolute(5e-5);
  if (stage.startsWith('logits')) return absolute(1e-3);
  return absolute(3e-4);
}

/** A whole DDIM trajectory amplifies rounding (meta.json: extra.ddim_sensitivity), so only its steps are held tightly. */
export const TRAJECTORY: Limit = absolute(1e-2);
