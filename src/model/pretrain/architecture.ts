/** The weights of a small policy of OpenVLA-OFT's architecture: names and shapes as upstream's, values from a seed. */
import { sizeOf, type Shape } from '../graph/types.ts';
import { patchesOf, type LanguageConfig, type NetworkConfig, type VitConfig } from '../network/config.ts';
import type { Random } from '../../base/random.ts';

/** What the configuration leaves open. */
export interface Widths {
  /** Of each backbone's MLP. */
  readonly vitMlp: number;
  /** Of LLaMA's gated MLP. */
  readonly llamaMlp: number;
}

/** Everything under `vision_backbone`, `projector` and `language_model`; attention pooling, which nothing runs, is left out. */
export function networkShapes(config: NetworkConfig, widths: Widths): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  const linear = (name: string, outputs: number, inputs: number) => {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    shapes.set(`${name}.bias`, [outputs]);
  };
  const norm = (name: string, width: number) => {
    shapes.set(`${name}.weight`, [width]);
    shapes.set(`${name}.bias`, [width]);
  };
  const vit = (of: VitConfig) => {
    const { prefix, dim, patchSize } = of;
    linear(`${prefix}.patch_embed.proj`, dim, 3 * patchSize ** 2);
    shapes.set(`${prefix}.patch_embed.proj.weight`, [dim, 3, patchSize, patchSize]);
    shapes.set(`${prefix}.pos_embed`, [1, patchesOf(of), dim]);
    if (of.classToken) shapes.set(`${prefix}.cls_token`, [1, 1, dim]);
    if (of.registerTokens > 0) shapes.set(`${prefix}.reg_token`, [1, of.registerTokens, dim]);
    for (let i = 0; i < of.depth; i++) {
      const block = `${prefix}.blocks.${i}`;
      norm(`${block}.norm1`, dim);
      linear(`${block}.attn.qkv`, 3 * dim, dim);
      linear(`${block}.attn.proj`, dim, dim);
      norm(`${block}.norm2`, dim);
      linear(`${block}.mlp.fc1`, widths.vitMlp, dim);
      linear(`${block}.mlp.fc2`, dim, widths.vitMlp);
      if (of.layerScale) {
        shapes.set(`${block}.ls1.scale_factor`, [dim]);
        shapes.set(`${block}.ls2.scale_factor`, [dim]);
      }
    }
    norm(`${prefix}.norm`, dim);
  };
  config.vits.forEach(vit);
  const { language } = config;
  const visionWidth = config.vits.reduce((sum, { dim }) => sum + dim, 0);
  linear('projector.fc1', 4 * visionWidth, visionWidth);
  linear('projector.fc2', language.hidden, 4 * visionWidth);
  if (config.projectorLayers === 3) linear('projector.fc3', language.hidden, language.hidden);
  for (const [name, shape] of decoderShapes(language, widths.llamaMlp)) shapes.set(name, shape);
  return shapes;
}

function decoderShapes(language: LanguageConfig, mlp: number): Map<string, Shape> {
  const { hidden, heads, kvHeads, layers, vocabulary } = language;
  const keys = (hidden / heads) * kvHeads;
  const shapes = new Map<string, Shape>([['language_model.model.embed_tokens.weight', [vocabulary, hidden]]]);
  for (let i = 0; i < layers; i++) {
    const layer = `language_model.model.layers.${i}`;
    shapes.set(`${layer}.input_layernorm.weight`, [hidden]);
    shapes.set(`${layer}.self_attn.q_proj.weight`, [hidden, hidden]);
    shapes.set(`${layer}.self_attn.k_proj.weight`, [keys, hidden]);
    shapes.set(`${layer}.self_attn.v_proj.weight`, [keys, hidden]);
    shapes.set(`${layer}.self_attn.o_proj.weight`, [hidden, hidden]);
    shapes.set(`${layer}.post_attention_layernorm.weight`, [hidden]);
    shapes.set(`${layer}.mlp.gate_proj.weight`, [mlp, hidden]);
    shapes.set(`${layer}.mlp.up_proj.weight`, [mlp, hidden]);
    shapes.set(`${layer}.mlp.down_proj.weight`, [hidden, mlp]);
  }
  shapes.set('language_model.model.norm.weight', [hidden]);
  shapes.set('language_model.lm_head.weight', [vocabulary, hidden]);
  return shapes;
}

/** Standard deviations of what is not a matrix product. */
const EMBEDDING_STD = 0.3;
const POSITION_STD = 0.2;

/**
 * Matrices from N(0, 1/inputs), those that end a residual branch smaller by √(2 · depth); norms and LayerScale one, biases zero.
 */
export function initialWeight(name: string, shape: Shape, depth: number, random: Random): Float32Array {
  const size = sizeOf(shape);
  const gaussian = (std: number) => Float32Array.from({ length: size }, () => std * random.gaussian());
  if (/(pos_embed|cls_token|reg_token)$/.test(name)) return gaussian(POSITION_STD);
  if (name.endsWith('embed_tokens.weight')) return gaussian(EMBEDDING_STD);
  if (name.endsWith('.bias')) return new Float32Array(size);
  if (shape.length === 1) return new Float32Array(size).fill(1);
  const inputs = size / shape[0]!;
  const last = /(attn\.proj|mlp\.fc2|o_proj|down_proj)\.weight$/.test(name);
  return gaussian(Math.sqrt(1 / inputs) / (last ? Math.sqrt(2 * depth) : 1));
}
