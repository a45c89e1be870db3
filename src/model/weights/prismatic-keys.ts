/**
 * Tensor names of a Prismatic training checkpoint (`latest-checkpoint.pt`) → Hugging Face names, as
 * vla-scripts/extern/convert_openvla_weights_to_hf.py maps them.
 */
import { ModelError } from '../../base/errors.ts';

/** Indices of the linear layers inside `nn.Sequential(fc1, GELU, fc2, GELU, fc3)`. */
const PROJECTOR_LAYERS: Readonly<Record<string, string>> = { '0': 'fc1', '2': 'fc2', '4': 'fc3' };

/** @param name with or without the leading `model/`, as in `projector/projector.0.weight` */
export function prismaticToHf(name: string): string | null {
  const [, part, key] = /^(?:model\/)?(projector|llm_backbone|vision_backbone)\/(.+)$/.exec(name) ?? [];
  if (!part || !key) return null;
  if (part === 'projector') {
    const [, index, rest] = /^projector\.(\d+)\.(.+)$/.exec(key) ?? [];
    const layer = index === undefined ? undefined : PROJECTOR_LAYERS[index];
    if (!layer) throw unknown(name);
    return `projector.${layer}.${rest}`;
  }
  if (part === 'llm_backbone') {
    if (!key.startsWith('llm.')) throw unknown(name);
    return `language_model.${key.slice('llm.'.length)}`;
  }
  const [, featurizer, rest] =
    /^(dino_featurizer|siglip_featurizer|clip_featurizer|featurizer)\.(.+)$/.exec(key) ?? [];
  if (!featurizer || !rest) throw unknown(name);
  // Fused: DINOv2 becomes `featurizer`, SigLIP or CLIP `fused_featurizer`; LayerScale is called gamma in timm.
  const target = /^(siglip|clip)_/.test(featurizer) ? 'fused_featurizer' : 'featurizer';
  return `vision_backbone.${target}.${rest.replace(/\.gamma$/, '.scale_factor')}`;
}

function unknown(name: string): ModelError {
  return new ModelError(
    'unsupported',
    `The Prismatic checkpoint holds "${name}", which has no place in the Hugging Face layout.`,
  );
}
