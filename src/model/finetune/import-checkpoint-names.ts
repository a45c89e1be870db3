/** Names inside upstream's files → names of the package; the inverse of upstream-names.ts. */

/**
 * Takes PEFT's and FiLM's wrappers off: `base_model.model.vision_backbone.vision_backbone.featurizer.blocks.0.block.attn.qkv.lora_A.weight` →
 * `vision_backbone.featurizer.blocks.0.attn.qkv.lora_A.weight`.
 */
export function packageName(upstream: string): string {
  return upstream
    .replace(/^base_model\.model\./, '')
    .replace(/^vision_backbone\.vision_backbone\./, 'vision_backbone.')
    .replace(/^(vision_backbone\.\w+\.blocks\.\d+)\.block\./, '$1.')
    .replace(/\.(lora_[AB])\.default\./, '.$1.')
    .replace('.base_layer.', '.');
}

/** The same for vision_backbone--N_checkpoint.pt, whose names start inside the wrapper of FiLM. */
export function packageNameOfVision(name: string): string {
  return packageName(`vision_backbone.${name.replace(/^module\./, '')}`);
}
