import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import { gridOf, patchesOf, type VitConfig } from '../../src/model/network/config.ts';
import { Scope, type WeightTable } from '../../src/model/network/scope.ts';
import { timmModel, timmNameOf, timmNames } from '../../src/model/network/vit-registry.ts';
import { vitEmbed } from '../../src/model/network/vit.ts';

const vit: VitConfig = {
  prefix: 'vision_backbone.featurizer',
  imageSize: 7,
  patchSize: 3,
  dim: 2,
  depth: 2,
  heads: 1,
  classToken: false,
  registerTokens: 0,
  positionsForPatchesOnly: true,
  layerScale: false,
  film: false,
  eps: 1e-6,
};

describe('images that are no whole number of patches', () => {
  it('SigLIP so400m has 27 · 27 of them at 384 px, as timm’s convolution leaves the rest out', () => {
    expect(gridOf({ imageSize: 384, patchSize: 14 })).toBe(27);
    expect(patchesOf({ imageSize: 384, patchSize: 14 })).toBe(729);
    expect(patchesOf({ imageSize: 224, patchSize: 14 })).toBe(256);
  });

  it('equal a convolution of stride 3 over the rows and columns that patches cover', () => {
    const table: WeightTable = new Map([
      ['patch_embed.proj.weight', { shape: [2, 3, 3, 3], dtype: 'float32' as const }],
      ['patch_embed.proj.bias', { shape: [2], dtype: 'float32' as const }],
      ['pos_embed', { shape: [1, 4, 2], dtype: 'float32' as const }],
    ]);
    const g = new GraphBuilder('embed');
    g.output('y', vitEmbed(g, vit, new Scope(g, table, ''), g.input('pixels', [1, 3, 7, 7])));
    const pixels = Array.from({ length: 3 * 49 }, (_, i) => Math.sin(i));
    const weight = Array.from({ length: 54 }, (_, i) => Math.cos(3 * i));
    const bias = [0.5, -0.25];
    const positions = Array.from({ length: 8 }, (_, i) => i / 10);
    const { y } = evaluate(g.build(), {
      pixels,
      'patch_embed.proj.weight': weight,
      'patch_embed.proj.bias': bias,
      pos_embed: positions,
    });
    const expected = Array.from({ length: 8 }, (_, i) => {
      const [patch, channel] = [Math.floor(i / 2), i % 2];
      const [row, column] = [3 * Math.floor(patch / 2), 3 * (patch % 2)];
      let sum = bias[channel]! + positions[i]!;
      for (let c = 0; c < 3; c++) {
        for (let k = 0; k < 9; k++) {
          const at = c * 49 + (row + Math.floor(k / 3)) * 7 + column + (k % 3);
          sum += weight[channel * 27 + c * 9 + k]! * pixels[at]!;
        }
      }
      return sum;
    });
    y!.data.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 10));
  });
});

describe('timm’s registry', () => {
  it('has the backbones of Prismatic’s, each found again by its sizes', () => {
    expect(timmNames()).toHaveLength(11);
    for (const name of timmNames()) {
      const model = timmModel(name)!;
      const dino = name.includes('dinov2');
      const own = {
        ...vit,
        ...model,
        imageSize: model.imageSize ?? 224,
        registerTokens: model.registers,
        classToken: !name.includes('siglip'),
        layerScale: dino,
        preNorm: name.includes('clip'),
      };
      expect(timmNameOf(own)).toBe(name);
    }
    expect(timmModel('vit_base_patch16_siglip_384')).toMatchObject({ heads: 12, patchSize: 16 });
    expect(timmNameOf(vit)).toBeNull();
  });
});
