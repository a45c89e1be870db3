/** What the network is, as numbers: read from an upstream `config.json` and the shapes of the checkpoint's tensors. */
import { ModelError } from '../../base/errors.ts';
import { countBlocks, shapeOf, type Shapes } from './checkpoint-shapes.ts';
import { languageConfig, type LanguageConfig } from './language.ts';
import { textConfigOf } from './text-config.ts';
import { timmModel, timmNames, vitBackboneNamed } from './vit-registry.ts';
import type { TimmVit } from './vit.ts';

export type { LanguageConfig, Shapes };

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
  /** A LayerNorm before the first block (CLIP). */
  readonly preNorm?: boolean | undefined;
  /** x · σ(1.702 x) instead of GELU, as OpenAI's CLIP was trained (`timm_override_act_layers`). */
  readonly quickGelu?: boolean | undefined;
}

export interface NetworkConfig {
  /** In the order their features are concatenated, which is also the order of the pixel channels. */
  readonly vits: readonly VitConfig[];
  readonly projectorLayers: 2 | 3;
  readonly language: LanguageConfig;
}

/** Rows, and columns, of patches: what an image has over a whole number of them is left out, as by timm's convolution. */
export const gridOf = ({ imageSize, patchSize }: Pick<VitConfig, 'imageSize' | 'patchSize'>): number =>
  Math.floor(imageSize / patchSize);
export const patchesOf = (vit: Pick<VitConfig, 'imageSize' | 'patchSize'>): number => gridOf(vit) ** 2;
export const prefixTokensOf = (vit: VitConfig): number => (vit.classToken ? 1 : 0) + vit.registerTokens;
/** Blocks that run: features are the output of the second-to-last block (modeling_prismatic.py, n = {depth − 2}). */
export const usedBlocks = (vit: VitConfig): number => vit.depth - 1;

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
    const heads = Number(tiny[i]?.['num_heads'] ?? timmModel(ids[i] ?? '')?.heads);
    if (!Number.isInteger(heads)) {
      throw new ModelError(
        'unsupported',
        `The vision backbone "${ids[i]}" is not known; known are ${timmNames().join(', ')}.`,
        'Use a vision backbone of upstream’s.',
      );
    }
    const prefix = `vision_backbone.${name}`;
    const known = tiny[i] ? undefined : timmModel(ids[i]!);
    const vit = {
      ...vitConfig(prefix, sizes[i] ?? sizes[0]!, heads, shapes),
      eps: Number(tiny[i]?.['norm_eps'] ?? vitBackboneNamed(ids[i]!)?.eps ?? 1e-6),
      ...(quickGelu(config, i, ids[i]!) ? { quickGelu: true } : {}),
    };
    if (known) checkModel(vit, ids[i]!, known);
    return vit;
  });
  return {
    vits,
    projectorLayers: projectorLayers(config, shapes),
    language: languageConfig(textConfigOf(config), shapes),
  };
}

/** Two, or three for fused towers (PrismaticProjector). @throws ModelError `missing-tensor` where config.json says three and there are two */
function projectorLayers({ arch_specifier: arch }: Record<string, unknown>, shapes: Shapes): 2 | 3 {
  if (typeof arch === 'string' && arch.endsWith('fused-gelu-mlp')) shapeOf(shapes, 'projector.fc3.weight');
  return shapes.has('projector.fc3.weight') ? 3 : 2;
}

function vitConfig(prefix: string, imageSize: number, heads: number, shapes: Shapes): VitConfig {
  const [dim, , patchSize] = shapeOf(shapes, `${prefix}.patch_embed.proj.weight`) as [number, number, number];
  const positions = shapeOf(shapes, `${prefix}.pos_embed`)[1]!;
  const patches = patchesOf({ imageSize, patchSize });
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
    ...(shapes.has(`${prefix}.norm_pre.weight`) ? { preNorm: true } : {}),
  };
}

/**
 * Whether a tower has CLIP's own activation. Prismatic's folders have no `timm_override_act_layers`; there the name tells (clip_vit.py).
 * @throws ModelError `unsupported` for another activation
 */
function quickGelu(config: Record<string, unknown>, i: number, id: string): boolean {
  const overrides = config['timm_override_act_layers'];
  if (!Array.isArray(overrides)) return /_clip_\w+\.openai$/.test(id);
  const act: unknown = overrides[i] ?? null;
  if (act === null || act === 'gelu' || act === 'quick_gelu') return act === 'quick_gelu';
  throw new ModelError(
    'unsupported',
    `config.json: timm_override_act_layers[${i}] is ${JSON.stringify(act)}; gelu and quick_gelu are known.`,
    'Use a checkpoint whose vision backbone is as upstream’s.',
  );
}

/** @throws ModelError `bad-shape` where the tensors are not of the model that config.json names: its heads would be wrong */
function checkModel(vit: VitConfig, id: string, known: TimmVit): void {
  const { dim, depth, patchSize, registerTokens, prefix } = vit;
  const found = `${depth} blocks of ${dim} with patches of ${patchSize} px and ${registerTokens} register tokens`;
  const expected = `${known.depth} blocks of ${known.dim} with patches of ${known.patchSize} px and ${known.registers} register tokens`;
  if (found === expected) return;
  throw new ModelError(
    'bad-shape',
    `config.json: timm_model_ids says that ${prefix} is ${id}, which has ${expected}; the weights have ${found}.`,
    'Take config.json and weights from the same checkpoint.',
  );
}

function arrayOf(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw new ModelError('bad-file', `config.json: "${name}" is not a list.`);
  return value;
}
