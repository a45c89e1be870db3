/** CLIP and the ImageNet ViT against timm 0.9.10: get_intermediate_layers(x, n={depth - 2}) in float64. */
import { expect, it } from 'vitest';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import type { Value } from '../../src/model/graph/types.ts';
import { networkConfig, usedBlocks, type Shapes } from '../../src/model/network/config.ts';
import { Scope } from '../../src/model/network/scope.ts';
import { vitBackboneOf } from '../../src/model/network/vit-registry.ts';
import { vitBlock, vitEmbed, vitFeatures } from '../../src/model/network/vit.ts';

const [D, INNER, PREFIX] = [8, 16, 'vision_backbone.featurizer'];

const norm = (name: string) =>
  [
    [`${name}.weight`, [D]],
    [`${name}.bias`, [D]],
  ] as [string, number[]][];
const linear = (name: string, outputs: number, inputs: number): [string, number[]][] => [
  [`${name}.weight`, [outputs, inputs]],
  [`${name}.bias`, [outputs]],
];

/** Of VisionTransformer(img_size=6, patch_size=3, embed_dim=8, depth=3, num_heads=2, mlp_ratio=2, num_classes=0, pre_norm=…). */
function timmShapes(preNorm: boolean): Map<string, number[]> {
  return new Map([
    ['cls_token', [1, 1, D]],
    ['pos_embed', [1, 5, D]],
    ['patch_embed.proj.weight', [D, 3, 3, 3]],
    ...(preNorm ? norm('norm_pre') : ([['patch_embed.proj.bias', [D]]] as [string, number[]][])),
    ...[0, 1, 2].flatMap((i) => [
      ...norm(`blocks.${i}.norm1`),
      ...linear(`blocks.${i}.attn.qkv`, 3 * D, D),
      ...linear(`blocks.${i}.attn.proj`, D, D),
      ...norm(`blocks.${i}.norm2`),
      ...linear(`blocks.${i}.mlp.fc1`, INNER, D),
      ...linear(`blocks.${i}.mlp.fc2`, D, INNER),
    ]),
    ...norm('norm'),
  ]);
}

/** A policy's config.json and shapes with this tower alone. */
function configOf(shapes: ReadonlyMap<string, number[]>, act: string | null) {
  const language: Shapes = new Map([
    ['language_model.model.embed_tokens.weight', [8, 4]],
    ['language_model.model.layers.0.self_attn.k_proj.weight', [4, 4]],
    ['language_model.model.layers.0.mlp.gate_proj.weight', [4, 4]],
  ]);
  return networkConfig(
    {
      use_fused_vision_backbone: false,
      timm_model_ids: ['vit_large_patch14_clip_224.openai'],
      timm_override_act_layers: [act],
      image_sizes: [6],
      text_config: { num_attention_heads: 1 },
      oracle_tiny_vits: [{ num_heads: 2, norm_eps: act ? 1e-5 : 1e-6 }],
    },
    new Map([...language, ...[...shapes].map(([name, shape]) => [`${PREFIX}.${name}`, shape] as const)]),
  ).vits[0]!;
}

// All weights of a tower, in the order of their names, are sin(0.7 i + k) / 2; pixels are cos(i).
const REFERENCE = {
  clip: [
    0.5980772, 4.0427324, 4.680421, 4.349391, 3.567026, 0.7050295, -4.1445669, -7.294202, 0.8971136,
    3.9556191, 4.6627742, 4.7346397, 4.0104522, 0.7593652, -4.2644137, -7.035678, 1.292636, 3.8298462,
    4.3468139, 4.8781523, 4.5338032, 0.9784584, -4.528497, -7.1671285, 1.5038996, 3.7491471, 3.8542157,
    4.5720643, 4.7708738, 1.2640903, -4.7838835, -7.7268484,
  ],
  imagenet: [
    0.7264394, 3.1738277, 3.1442456, 3.4468433, 3.8956097, 1.4667291, -3.8369916, -7.2396041, 0.9996248,
    3.6601345, 3.5878812, 3.656514, 3.8967029, 1.4018681, -3.8730476, -7.1971509, 0.8141238, 3.6547145,
    3.6570875, 3.6578079, 3.7034711, 0.95534, -4.5247032, -7.9086253, 0.87563, 4.0039203, 4.3068856, 4.418385,
    4.3640682, 1.4430154, -4.1797918, -7.6758581,
  ],
};

it.each([
  ['clip', 'CLIP', 'quick_gelu'],
  ['imagenet', 'ImageNet ViT', null],
] as const)('%s', (name, family, act) => {
  const shapes = timmShapes(name === 'clip');
  const vit = configOf(shapes, act);
  expect(vitBackboneOf(vit).name).toBe(family);
  const g = new GraphBuilder(name);
  const table = new Map([...shapes].map(([key, shape]) => [key, { shape, dtype: 'float32' as const }]));
  const scope = new Scope(g, table, '');
  let x: Value = vitEmbed(g, vit, scope, g.input('pixels', [1, 3, 6, 6]));
  for (let i = 0; i < usedBlocks(vit); i++)
    x = vitBlock(g, vit, scope.child(`blocks.${i}`), x, undefined, () => undefined);
  g.output('y', vitFeatures(g, vit, x));
  const feeds: Record<string, number[]> = { pixels: Array.from({ length: 108 }, (_, i) => Math.cos(i)) };
  for (const [k, key] of [...shapes.keys()].toSorted().entries()) {
    const size = shapes.get(key)!.reduce((product, dim) => product * dim, 1);
    feeds[key] = Array.from({ length: size }, (_, i) => Math.sin(0.7 * i + k) / 2);
  }
  const { y } = evaluate(g.build(), feeds);
  expect(y!.data).toHaveLength(REFERENCE[name].length);
  y!.data.forEach((value, i) => expect(value).toBeCloseTo(REFERENCE[name][i]!, 6));
});

it('an activation that is not computed is refused by field', () => {
  expect(() => configOf(timmShapes(true), 'relu')).toThrow('timm_override_act_layers[0] is "relu"');
});
