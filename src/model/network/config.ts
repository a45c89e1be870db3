/** What the network is, as numbers: read from an upstream `config.json` and the shapes of the checkpoint's tensors. */
import { ModelError } from '../errors.ts';
import type { Shape } from '../graph/types.ts';

export interface VitConfig {
  /** Prefix of its tensors, `vision_backbone.featurizer` or `vision_backbone.fused_featurizer`. */
  readonly prefix: string;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly dim: number;
  /** Number of blocks in the checkpoint; the last one is never run (features come from block depth − 2). */
  readonly depth: number;
  readonly heads: number;
  readonly classToken: boolean;
  readonly registerTokens: number;
  /** True where the position embedding covers the patches only and is added before the prefix tokens (DINOv2 reg4). */
  readonly positionsForPatchesOnly: boolean;
  readonly layerScale: boolean;
  readonly film: boolean;
  readonly eps: number;
}

export interface LlamaConfig {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
  readonly rmsEps: number;
  readonly ropeTheta: number;
}

export interface NetworkConfig {
  /** In the order their features are concatenated, which is also the order of the pixel channels. */
  readonly vits: readonly VitConfig[];
  readonly projectorLayers: 2 | 3;
  readonly llama: LlamaConfig;
}

/** Tensor name → shape. */
export type Shapes = ReadonlyMap<string, Shape>;

/** Heads cannot be read off the shapes; timm's registry fixes them by model name. */
const TIMM_HEADS: Record<string, number> = {
  'vit_large_patch14_reg4_dinov2.lvd142m': 16,
  'vit_large_patch14_dinov2.lvd142m': 16,
  vit_so400m_patch14_siglip_224: 16,
  vit_so400m_patch14_siglip_384: 16,
};

export const patchesOf = (vit: VitConfig): number => (vit.imageSize / vit.patchSize) ** 2;
export const prefixTokensOf = (vit: VitConfig): number => (vit.classToken ? 1 : 0) + vit.registerTokens;
/** Blocks that run: features are the output of the second-to-last block (modeling_prismatic.py, n = {depth − 2}). */
export const usedBlocks = (vit: VitConfig): number => vit.depth - 1;
export const headDimOf = (llama: LlamaConfig): number => llama.hidden / llama.heads;

/**
 * @param config upstream `config.json` (OpenVLAConfig)
 * @param shapes of every tensor of the checkpoint, names as upstream's
 * @throws ModelError `missing-tensor`, `unsupported` or `bad-shape`
 */
export function networkConfig(config: Record<string, unknown>, shapes: Shapes): NetworkConfig {
  const fused = config['use_fused_vision_backbone'] === true;
  const ids = arrayOf(config['timm_model_ids'], 'timm_model_ids').map(String);
  const names = fused ? ['featurizer', 'fused_featurizer'] : ['featurizer'];
  const tiny = (config['oracle_tiny_vits'] ?? []) as Record<string, unknown>[];
  const sizes = arrayOf(config['image_sizes'], 'image_sizes').map(Number);
  const vits = names.map((name, i) => {
    const heads = Number(tiny[i]?.['num_heads'] ?? TIMM_HEADS[ids[i] ?? '']);
    if (!Number.isInteger(heads)) {
      throw new ModelError(
        'unsupported',
        `The vision backbone "${ids[i]}" is not known; known are ${Object.keys(TIMM_HEADS).join(', ')}.`,
        'Use a DINOv2 or SigLIP backbone of upstream’s.',
      );
    }
    return vitConfig(`vision_backbone.${name}`, sizes[i] ?? sizes[0]!, heads, shapes);
  });
  return {
    vits,
    projectorLayers: shapes.has('projector.fc3.weight') ? 3 : 2,
    llama: llamaConfig((config['text_config'] ?? {}) as Record<string, unknown>, shapes),
  };
}

function vitConfig(prefix: string, imageSize: number, heads: number, shapes: Shapes): VitConfig {
  const [dim, , patchSize] = shapeOf(shapes, `${prefix}.patch_embed.proj.weight`) as [number, number, number];
  const positions = shapeOf(shapes, `${prefix}.pos_embed`)[1]!;
  const patches = (imageSize / patchSize) ** 2;
  const classToken = shapes.has(`${prefix}.cls_token`);
  const registerTokens = shapes.get(`${prefix}.reg_token`)?.[1] ?? 0;
  const prefixTokens = (classToken ? 1 : 0) + registerTokens;
  if (positions !== patches && positions !== patches + prefixTokens) {
    throw new ModelError(
      'bad-shape',
      `${prefix}.pos_embed covers ${positions} tokens; ${imageSize} px in patches of ${patchSize} make ${patches}.`,
      'Check image_sizes in config.json.',
    );
  }
  return {
    prefix,
    imageSize,
    patchSize,
    dim,
    depth: countBlocks(shapes, `${prefix}.blocks`),
    heads,
    classToken,
    registerTokens,
    positionsForPatchesOnly: positions === patches,
    layerScale: shapes.has(`${prefix}.blocks.0.ls1.scale_factor`),
    film: shapes.has(`${prefix}.blocks.0.scale.weight`),
    eps: 1e-6,
  };
}

/** Fields a checkpoint omits take LlamaConfig's defaults, as in transformers (rms_norm_eps 1e-6, not Llama-2's 1e-5). */
function llamaConfig(text: Record<string, unknown>, shapes: Shapes): LlamaConfig {
  const [vocabulary, hidden] = shapeOf(shapes, 'language_model.model.embed_tokens.weight') as [
    number,
    number,
  ];
  const heads = Number(text['num_attention_heads'] ?? 32);
  if (hidden % heads !== 0) {
    throw new ModelError(
      'bad-shape',
      `text_config: hidden size ${hidden} does not divide into ${heads} heads.`,
    );
  }
  const kvWidth = shapeOf(shapes, 'language_model.model.layers.0.self_attn.k_proj.weight')[0]!;
  return {
    hidden,
    layers: countBlocks(shapes, 'language_model.model.layers'),
    heads,
    kvHeads: kvWidth / (hidden / heads),
    vocabulary,
    rmsEps: Number(text['rms_norm_eps'] ?? 1e-6),
    ropeTheta: Number(text['rope_theta'] ?? 10000),
  };
}

function countBlocks(shapes: Shapes, prefix: string): number {
  const indices = new Set<number>();
  for (const name of shapes.keys()) {
    if (name.startsWith(`${prefix}.`)) indices.add(Number(name.slice(prefix.length + 1).split('.')[0]));
  }
  if (indices.size === 0)
    throw new ModelError('missing-tensor', `The checkpoint has no tensors under "${prefix}".`);
  return indices.size;
}

function shapeOf(shapes: Shapes, name: string): Shape {
  const shape = shapes.get(name);
  if (!shape) {
    throw new ModelError(
      'missing-tensor',
      `The checkpoint lacks "${name}".`,
      'Is it a complete OpenVLA-OFT checkpoint?',
    );
  }
  return shape;
}

function arrayOf(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw new ModelError('bad-file', `config.json: "${name}" is no list.`);
  return value;
}
