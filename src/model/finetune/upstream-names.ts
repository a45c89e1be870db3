const VISION = 'vision_backbone.';

/**
 * A parameter's name in upstream's training process: the model wrapped by PEFT, and with FiLM the vision backbone and its
 * blocks wrapped once more (film_vit_wrapper.py). Modules beside the network keep their names.
 */
export function upstreamName(name: string, film: boolean): string {
  const named = name.replace(/\.(lora_[AB])\.weight$/, '.$1.default.weight');
  if (!/^(vision_backbone|language_model|projector|action_queries)\./.test(named)) return named;
  return `base_model.model.${film ? filmName(named) : named}`;
}

/** `vision_backbone.featurizer.blocks.0.attn.qkv` → `vision_backbone.vision_backbone.featurizer.blocks.0.block.attn.qkv`. */
function filmName(name: string): string {
  if (!name.startsWith(VISION)) return name;
  const wrapped = name.replace(/(\.blocks\.\d+\.)(?!scale\.|shift\.)/, '$1block.');
  return VISION + wrapped;
}
