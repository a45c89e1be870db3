/** Names and shapes of OpenVLA-OFT checkpoints, from their sizes: what upstream's modules and timm's ViTs hold. */
import type { Shapes } from '../../src/model/network/config.ts';

export interface VitShape {
  readonly timmId: string;
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
  readonly mlp: number;
}

export interface CheckpointShape {
  readonly imageSize: number;
  readonly patchSize: number;
  /** DINOv2 with class token, registers and LayerScale. */
  readonly dino: VitShape & { readonly registerTokens: number };
  /** SigLIP with its attention pool, which inference never runs. */
  readonly siglip: VitShape;
  readonly llama: {
    readonly hidden: number;
    readonly layers: number;
    readonly heads: number;
    readonly intermediate: number;
    /** Padding to a multiple of 64 included. */
    readonly vocabulary: number;
  };
  readonly actionDim: number;
  readonly proprioDim: number;
}

export const CHECKPOINT_SHAPES = {
  /** OpenVLA-7B: DINOv2 ViT-L/14, SigLIP SO400M/14, Llama-2-7B. */
  '7b': {
    imageSize: 224,
    patchSize: 14,
    dino: {
      timmId: 'vit_large_patch14_reg4_dinov2.lvd142m',
      dim: 1024,
      depth: 24,
      heads: 16,
      mlp: 4096,
      registerTokens: 4,
    },
    siglip: { timmId: 'vit_so400m_patch14_siglip_224', dim: 1152, depth: 27, heads: 16, mlp: 4304 },
    llama: { hidden: 4096, layers: 32, heads: 32, intermediate: 11008, vocabulary: 32064 },
    actionDim: 7,
    proprioDim: 8,
  },
  /** Some MB; some sizes are not a multiple of the quantisation block. */
  tiny: {
    imageSize: 56,
    patchSize: 14,
    dino: { timmId: 'tiny_dinov2', dim: 32, depth: 4, heads: 2, mlp: 128, registerTokens: 4 },
    siglip: { timmId: 'tiny_siglip', dim: 30, depth: 3, heads: 3, mlp: 81 },
    llama: { hidden: 20, layers: 3, heads: 2, intermediate: 64, vocabulary: 32064 },
    actionDim: 7,
    proprioDim: 8,
  },
} as const satisfies Record<string, CheckpointShape>;

/** Tensors of the HF checkpoint, and of the modules that OFT saves beside it. */
export function checkpointTensors(shape: CheckpointShape): {
  model: Shapes;
  actionHead: Shapes;
  proprioProjector: Shapes;
} {
  const { dino, siglip, llama } = shape;
  const model = new Map<string, number[]>();
  vit(model, 'vision_backbone.featurizer', shape, dino);
  const { registerTokens } = dino;
  model.set('vision_backbone.featurizer.cls_token', [1, 1, dino.dim]);
  model.set('vision_backbone.featurizer.reg_token', [1, registerTokens, dino.dim]);
  for (let i = 0; i < dino.depth; i++) {
    for (const scale of ['ls1', 'ls2'])
      model.set(`vision_backbone.featurizer.blocks.${i}.${scale}.scale_factor`, [dino.dim]);
  }
  vit(model, 'vision_backbone.fused_featurizer', shape, siglip);
  attentionPool(model, 'vision_backbone.fused_featurizer.attn_pool', siglip);
  const features = dino.dim + siglip.dim;
  linear(model, 'projector.fc1', features, 4 * features);
  linear(model, 'projector.fc2', 4 * features, llama.hidden);
  linear(model, 'projector.fc3', llama.hidden, llama.hidden);
  languageModel(model, llama);

  const sizes = { ...shape, hidden: llama.hidden };
  return { model, actionHead: l1HeadShapes(sizes), proprioProjector: proprioShapes(sizes) };
}

interface ModuleSizes {
  readonly hidden: number;
  readonly actionDim: number;
  readonly proprioDim: number;
}

/** OpenVLA-OFT's L1RegressionActionHead. */
export function l1HeadShapes({ hidden, actionDim }: ModuleSizes): Shapes {
  const head = new Map<string, number[]>();
  const inputs = hidden * actionDim;
  norm(head, 'model.layer_norm1', inputs);
  linear(head, 'model.fc1', inputs, hidden);
  for (const block of [0, 1]) {
    norm(head, `model.mlp_resnet_blocks.${block}.ffn.0`, hidden);
    linear(head, `model.mlp_resnet_blocks.${block}.ffn.1`, hidden, hidden);
  }
  norm(head, 'model.layer_norm2', hidden);
  linear(head, 'model.fc2', hidden, actionDim);
  return head;
}

export function proprioShapes({ hidden, proprioDim }: ModuleSizes): Shapes {
  const projector = new Map<string, number[]>();
  linear(projector, 'fc1', proprioDim, hidden);
  linear(projector, 'fc2', hidden, hidden);
  return projector;
}

function linear(out: Map<string, number[]>, name: string, inputs: number, outputs: number): void {
  out.set(`${name}.weight`, [outputs, inputs]);
  out.set(`${name}.bias`, [outputs]);
}

function norm(out: Map<string, number[]>, name: string, dim: number): void {
  out.set(`${name}.weight`, [dim]);
  out.set(`${name}.bias`, [dim]);
}

function vit(
  out: Map<string, number[]>,
  prefix: string,
  { imageSize, patchSize }: CheckpointShape,
  { dim, depth, mlp }: VitShape,
): void {
  out.set(`${prefix}.pos_embed`, [1, (imageSize / patchSize) ** 2, dim]);
  out.set(`${prefix}.patch_embed.proj.weight`, [dim, 3, patchSize, patchSize]);
  out.set(`${prefix}.patch_embed.proj.bias`, [dim]);
  for (let i = 0; i < depth; i++) {
    const block = `${prefix}.blocks.${i}`;
    norm(out, `${block}.norm1`, dim);
    linear(out, `${block}.attn.qkv`, dim, 3 * dim);
    linear(out, `${block}.attn.proj`, dim, dim);
    norm(out, `${block}.norm2`, dim);
    linear(out, `${block}.mlp.fc1`, dim, mlp);
    linear(out, `${block}.mlp.fc2`, mlp, dim);
  }
  norm(out, `${prefix}.norm`, dim);
}

function attentionPool(out: Map<string, number[]>, prefix: string, { dim, mlp }: VitShape): void {
  out.set(`${prefix}.latent`, [1, 1, dim]);
  linear(out, `${prefix}.q`, dim, dim);
  linear(out, `${prefix}.kv`, dim, 2 * dim);
  linear(out, `${prefix}.proj`, dim, dim);
  norm(out, `${prefix}.norm`, dim);
  linear(out, `${prefix}.mlp.fc1`, dim, mlp);
  linear(out, `${prefix}.mlp.fc2`, mlp, dim);
}

function languageModel(
  out: Map<string, number[]>,
  { hidden, layers, intermediate, vocabulary }: CheckpointShape['llama'],
): void {
  out.set('language_model.model.embed_tokens.weight', [vocabulary, hidden]);
  for (let i = 0; i < layers; i++) {
    const layer = `language_model.model.layers.${i}`;
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'o_proj'])
      out.set(`${layer}.self_attn.${part}.weight`, [hidden, hidden]);
    out.set(`${layer}.mlp.gate_proj.weight`, [intermediate, hidden]);
    out.set(`${layer}.mlp.up_proj.weight`, [intermediate, hidden]);
    out.set(`${layer}.mlp.down_proj.weight`, [hidden, intermediate]);
    out.set(`${layer}.input_layernorm.weight`, [hidden]);
    out.set(`${layer}.post_attention_layernorm.weight`, [hidden]);
  }
  out.set('language_model.model.norm.weight', [hidden]);
  out.set('language_model.lm_head.weight', [vocabulary, hidden]);
}
