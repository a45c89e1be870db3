import type { Shape } from '../graph/types.ts';
import { isModuleWeight } from './loaded-weights.ts';

export type Bits = 4 | 8 | 16 | 32;

/**
 * How a tensor is stored in a package of `bits`. Everything is stored, also what inference never reads (attention
 * pooling, the last ViT block): an export has to give back a whole checkpoint.
 *
 * At 4 and 8 bits the matrices that `linear` multiplies are quantised. What is small or sensitive stays f32: norms, biases, LayerScale, FiLM,
 * position embeddings and the patch embedding. The modules that are trained from scratch are kept as f16, which holds
 * the bf16 they are saved in; so is the token embedding: it is a table, not a product, and its error would enter the
 * residual stream unattenuated.
 */
export function storageEncoding(name: string, shape: Shape, bits: Bits): 'f32' | 'f16' | 'q8' | 'q4' {
  if (bits === 32) return 'f32';
  if (bits === 16) return 'f16';
  const film = /\.blocks\.\d+\.(scale|shift)\./.test(name);
  if (name === 'language_model.model.embed_tokens.weight') return 'f16';
  if (shape.length !== 2 || !name.endsWith('.weight') || film) return 'f32';
  if (isModuleWeight(name)) return 'f16';
  return bits === 4 ? 'q4' : 'q8';
}
