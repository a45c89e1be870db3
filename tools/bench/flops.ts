/** Floating-point operations of one prediction, counted from the weights: a multiply-add is two. */
import { isBound } from '../../src/model/network/loaded-weights.ts';
import { patchesOf, prefixTokensOf, usedBlocks } from '../../src/model/network/config.ts';
import { headOf } from '../../src/model/heads/index.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { sizeOf, type Shape } from '../../src/model/graph/types.ts';

/** @param promptTokens BOS included */
export function predictionFlops(
  config: PolicyConfig,
  shapes: ReadonlyMap<string, Shape>,
  promptTokens: number,
): number {
  const { network, profile } = config;
  const images = profile.images.length;
  const actions = profile.chunkSize * profile.actions.length;
  const patches = network.vits.length > 0 ? patchesOf(network.vits[0]!) * images : 0;
  const sequence = patches + (profile.state ? 1 : 0) + promptTokens + 1 + actions + 1;
  let flops = 0;
  for (const [name, shape] of shapes) {
    if (shape.length < 2 || !isBound(name, network, { lmHead: headOf(config).lmHead, lastBlock: false }))
      continue;
    flops += 2 * sizeOf(shape) * rowsOf(name, config, { patches, sequence });
  }
  // Scores and weighted sums.
  for (const vit of network.vits)
    flops += usedBlocks(vit) * images * 4 * (patchesOf(vit) + prefixTokensOf(vit)) ** 2 * vit.dim;
  flops += network.language.layers * 4 * sequence ** 2 * network.language.hidden;
  return flops;
}

/** How often a matrix is multiplied with a row. */
function rowsOf(
  name: string,
  { network, profile }: PolicyConfig,
  { patches, sequence }: { patches: number; sequence: number },
): number {
  const images = profile.images.length;
  const vit = network.vits.find(({ prefix }) => name.startsWith(`${prefix}.`));
  if (vit) {
    if (name.includes('.patch_embed.')) return patchesOf(vit) * images;
    return name.includes('.blocks.') ? (patchesOf(vit) + prefixTokensOf(vit)) * images : 0;
  }
  if (name.startsWith('projector.')) return patches;
  if (name.startsWith('language_model.model.layers.')) return sequence;
  if (name.startsWith('action_head.')) return profile.chunkSize;
  if (name.startsWith('proprio_projector.')) return 1;
  return name.endsWith('lm_head.weight') ? profile.chunkSize * profile.actions.length : 0;
}
