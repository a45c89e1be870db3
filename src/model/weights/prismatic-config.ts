/** config.json of a Prismatic folder, as the fields of a Hugging Face one that the rest of the library reads. */
import { ModelError } from '../../base/errors.ts';

type Json = Record<string, unknown>;

const DINO = 'vit_large_patch14_reg4_dinov2.lvd142m';
const CLIP_336 = 'vit_large_patch14_clip_336.openai';

/** timm models and image size of Prismatic's vision backbones (prismatic/models/backbones/vision, materialize.py). */
const VISION_BACKBONES: Readonly<Record<string, { ids: readonly string[]; size: number }>> = {
  'dinosiglip-vit-so-224px': { ids: [DINO, 'vit_so400m_patch14_siglip_224'], size: 224 },
  'dinosiglip-vit-so-384px': { ids: [DINO, 'vit_so400m_patch14_siglip_384'], size: 384 },
  'dinoclip-vit-l-336px': { ids: [DINO, CLIP_336], size: 336 },
  'siglip-vit-b16-224px': { ids: ['vit_base_patch16_siglip_224'], size: 224 },
  'siglip-vit-b16-256px': { ids: ['vit_base_patch16_siglip_256'], size: 256 },
  'siglip-vit-b16-384px': { ids: ['vit_base_patch16_siglip_384'], size: 384 },
  'siglip-vit-so400m': { ids: ['vit_so400m_patch14_siglip_224'], size: 224 },
  'siglip-vit-so400m-384px': { ids: ['vit_so400m_patch14_siglip_384'], size: 384 },
  'dinov2-vit-l': { ids: [DINO], size: 224 },
  'clip-vit-b': { ids: ['vit_base_patch16_clip_224.openai'], size: 224 },
  'clip-vit-l': { ids: ['vit_large_patch14_clip_224.openai'], size: 224 },
  'clip-vit-l-336px': { ids: [CLIP_336], size: 336 },
  'in1k-vit-l': { ids: ['vit_large_patch16_224.augreg_in21k_ft_in1k'], size: 224 },
};

interface BaseVlm {
  readonly vision: string;
  readonly resize: 'resize-naive' | 'letterbox';
}

/** A VLA's config.json may name the VLM it was trained from only (`vla.base_vlm`): what prismatic/conf/models.py says of it. */
const BASE_VLMS: readonly (readonly [RegExp, BaseVlm])[] = [
  [
    /^(prism-(qwen25-(extra-)?)?)?dinosiglip-224px/,
    { vision: 'dinosiglip-vit-so-224px', resize: 'resize-naive' },
  ],
  [/^prism-dinosiglip(-controlled)?\+/, { vision: 'dinosiglip-vit-so-384px', resize: 'resize-naive' }],
  [/^prism-siglip(-controlled)?\+/, { vision: 'siglip-vit-so400m-384px', resize: 'resize-naive' }],
  [/^prism-clip(-controlled)?\+/, { vision: 'clip-vit-l-336px', resize: 'resize-naive' }],
  [/^siglip-224px\+/, { vision: 'siglip-vit-so400m', resize: 'letterbox' }],
  [/^dinov2-224px\+/, { vision: 'dinov2-vit-l', resize: 'letterbox' }],
  [/^clip-224px\+/, { vision: 'clip-vit-l', resize: 'letterbox' }],
  [/^in1k-224px\+/, { vision: 'in1k-vit-l', resize: 'letterbox' }],
];

/** The last part of its address: it may be a path or a Hub repository. */
function baseVlm(config: Json): { readonly id: string; readonly known: BaseVlm | undefined } {
  const given = (config['vla'] as Json | undefined)?.['base_vlm'];
  const id = typeof given === 'string' ? given.split('/').at(-1)! : 'unknown';
  return { id, known: BASE_VLMS.find(([pattern]) => pattern.test(id))?.[1] };
}

const QWEN25: Json = {
  model_type: 'qwen2',
  num_attention_heads: 14,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  tie_word_embeddings: true,
  use_sliding_window: false,
};

/** What prismatic/models/backbones/llm leaves to Hugging Face's configuration of each language model. */
const LANGUAGE_MODELS: readonly { readonly id: RegExp; readonly text: Json }[] = [
  { id: /^(llama2|vicuna)-(v15-)?13b/, text: { num_attention_heads: 40 } },
  { id: /^(llama2|vicuna)/, text: {} },
  // MistralConfig's defaults, but for Mistral-7B-v0.1's own epsilon.
  { id: /^mistral-v0\.1-7b/, text: { model_type: 'mistral', rms_norm_eps: 1e-5, sliding_window: 4096 } },
  { id: /^qwen25-0_5b/, text: QWEN25 },
];

function textConfig(config: Json, id: string): Json {
  const known = LANGUAGE_MODELS.find((entry) => entry.id.test(id));
  if (known) return { ...known.text, ...((config['text_config'] ?? {}) as Json) };
  throw new ModelError(
    'unsupported',
    `The language model "${id}" is not known; known are Llama-2, Mistral-7B-v0.1 and Qwen2.5-0.5B.`,
    'Convert it to a Hugging Face folder with upstream’s convert_openvla_weights_to_hf.py first.',
  );
}

/** Of the VLMs above: the "prism" ones are Llama-2's, the earlier ones Vicuna's. */
function languageOf(vlm: string): string {
  if (vlm.includes('qwen25')) return 'qwen25-0_5b-extra';
  const size = vlm.endsWith('+13b') ? '13b' : '7b';
  return /^(siglip|dinov2|clip|in1k)-224px/.test(vlm) ? `vicuna-v15-${size}` : `llama2-${size}-pure`;
}

/** @param names of the tensors @throws ModelError `unsupported` */
export function huggingFaceConfig(config: Json, names: Iterable<string>): Json {
  const model = (config['model'] ?? {}) as Json;
  const given = model['vision_backbone_id'];
  const { id: vlm, known } = baseVlm(config);
  const id = typeof given === 'string' ? given : (known?.vision ?? vlm);
  const backbone = Object.hasOwn(VISION_BACKBONES, id) ? VISION_BACKBONES[id] : undefined;
  if (!backbone)
    throw new ModelError(
      'unsupported',
      `The vision backbone "${id}" is not known; known are ${Object.keys(VISION_BACKBONES).join(', ')}.`,
    );
  const llm = model['llm_backbone_id'];
  const language = typeof llm === 'string' ? llm : languageOf(vlm);
  return {
    llm_backbone_id: language,
    use_fused_vision_backbone: [...names].some((name) =>
      name.startsWith('vision_backbone.fused_featurizer.'),
    ),
    timm_model_ids: backbone.ids,
    image_sizes: backbone.ids.map(() => backbone.size),
    image_resize_strategy: model['image_resize_strategy'] ?? known?.resize ?? 'resize-naive',
    text_config: textConfig(config, language),
    pad_to_multiple_of: 64,
    n_action_bins: 256,
    ...(config['norm_stats'] ? { norm_stats: config['norm_stats'] } : {}),
  };
}
