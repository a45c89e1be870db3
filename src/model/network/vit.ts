import type { GraphBuilder } from '../graph/builder.ts';
import type { Shape, Value } from '../graph/types.ts';
import { gridOf, patchesOf, prefixTokensOf, type VitConfig } from './config.ts';
import type { Scope, Tap } from './scope.ts';

/** A family of timm's vision transformers that Prismatic uses (prismatic/models/backbones/vision), by timm's name. */
export interface VitBackbone {
  readonly name: string;
  readonly models: Readonly<Record<string, TimmVit>>;
  readonly normalization: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** Not rounded: the border of images that are made square has this colour. */
  readonly mean: readonly number[];
  /** Epsilon of its LayerNorms. */
  readonly eps: number;
  /** Whether a tower is of this family, by its tensors. */
  readonly isOf: (vit: VitConfig) => boolean;
}

export interface TimmVit {
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
  readonly patchSize: number;
  readonly registers: number;
  /** Where the name fixes it. */
  readonly imageSize?: number;
}

/**
 * Pixels [B, 3, H, W] → tokens [B, prefix + patches, D].
 *
 * The patch convolution has stride = kernel, so it is a reshape and a matrix product (timm PatchEmbed, bias included).
 */
export function vitEmbed(
  g: GraphBuilder,
  config: VitConfig,
  scope: Scope,
  pixels: Value,
  onPatches: (patches: Value) => void = () => undefined,
): Value {
  const [batch, channels] = pixels.shape as [number, number];
  const { patchSize: p, dim } = config;
  const side = gridOf(config);
  const covered = g.slice(g.slice(pixels, 2, 0, side * p), 3, 0, side * p);
  const grid = g.transpose(g.reshape(covered, [batch, channels, side, p, side, p]), [0, 2, 4, 1, 3, 5]);
  const flat = g.reshape(grid, [batch, side * side, channels * p * p]);
  const patches = scope.linear('patch_embed.proj', flat, [dim, channels * p * p]);
  onPatches(patches);

  const positions = scope.weight('pos_embed');
  const prefix = [
    ...(config.classToken ? [g.expand(scope.weight('cls_token'), [batch, 1, dim])] : []),
    ...(config.registerTokens
      ? [g.expand(scope.weight('reg_token'), [batch, config.registerTokens, dim])]
      : []),
  ];
  const tokens = config.positionsForPatchesOnly
    ? g.concat([...prefix, g.add(patches, positions)], 1)
    : g.add(g.concat([...prefix, patches], 1), positions);
  return config.preNorm ? scope.layerNorm('norm_pre', tokens, config.eps) : tokens;
}

/**
 * One timm ViT block on [B, N, D]: pre-norm attention and MLP, LayerScale where the checkpoint has it, and FiLM
 * x·(1 + γ) + β between the two (film_vit_wrapper.py), γ and β linear in the mean language embeddings [samples, hidden];
 * the images of a sample follow each other in B.
 */
export function vitBlock(
  g: GraphBuilder,
  config: VitConfig,
  scope: Scope,
  x: Value,
  language: Value | undefined,
  tap: Tap,
): Value {
  const { dim, heads, eps } = config;
  const scaled = (name: string, value: Value) =>
    config.layerScale ? g.mul(value, scope.weight(`${name}.scale_factor`)) : value;

  const normed = scope.layerNorm('norm1', x, eps);
  tap('.norm1', normed);
  const qkv = scope.linear('attn.qkv', normed);
  tap('.attn.qkv', qkv);
  const part = (i: number) => g.slice(qkv, 2, i * dim, (i + 1) * dim);
  const mixed = g.attention(part(0), part(1), part(2), { heads, scale: 1 / Math.sqrt(dim / heads) });
  const attended = scope.linear('attn.proj', mixed);
  tap('.attn', attended);
  const branch = scaled('ls1', attended);
  tap('.ls1', branch);
  let h = g.add(x, branch);

  if (config.film && language) {
    const gamma = scope.linear('scale', language);
    const beta = scope.linear('shift', language);
    tap('.gamma', gamma);
    tap('.beta', beta);
    h = g.add(g.mul(h, g.addScalar(perImage(g, gamma, h), 1)), perImage(g, beta, h));
  }

  const normed2 = scope.layerNorm('norm2', h, eps);
  tap('.norm2', normed2);
  const inner = scope.linear('mlp.fc1', normed2);
  const mlp = scope.linear('mlp.fc2', config.quickGelu ? quickGelu(g, inner) : g.gelu(inner));
  tap('.mlp', mlp);
  return g.add(h, scaled('ls2', mlp));
}

/** OpenAI's approximation, x · σ(1.702 x) (timm layers/activations.py). */
function quickGelu(g: GraphBuilder, x: Value): Value {
  return g.mul(x, g.sigmoid(g.scale(x, 1.702)));
}

/** [samples, D] → a shape that meets each sample's images in `tokens` [samples · images, N, D]. */
function perImage(g: GraphBuilder, film: Value, tokens: Value): Value {
  const [samples, dim] = film.shape as [number, number];
  if (samples === 1) return film;
  const images = tokens.shape[0]! / samples;
  const wide = g.expand(g.reshape(film, [samples, 1, dim]), [samples, images, dim]);
  return g.reshape(wide, [samples * images, 1, dim]);
}

/** Drops the class and register tokens: [B, prefix + patches, D] → [B, patches, D]; no final norm, as upstream. */
export function vitFeatures(g: GraphBuilder, config: VitConfig, x: Value): Value {
  const prefix = prefixTokensOf(config);
  return g.slice(x, 1, prefix, prefix + patchesOf(config));
}

/** FiLM's weights, a scale and a shift from the language embedding for each block (film_vit_wrapper.py). */
export function filmShapes({ prefix, depth, dim }: VitConfig, hidden: number): [string, Shape][] {
  return Array.from({ length: depth }, (_, block) =>
    ['scale', 'shift'].flatMap((part): [string, Shape][] => [
      [`${prefix}.blocks.${block}.${part}.weight`, [dim, hidden]],
      [`${prefix}.blocks.${block}.${part}.bias`, [dim]],
    ]),
  ).flat();
}
