import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { countParameters } from '../../src/model/finetune/parameters.ts';
import { moduleShapes } from '../../src/model/policy/module-shapes.ts';
import type { Shape } from '../../src/model/graph/types.ts';
import { policyConfigFromCheckpoint, type PolicyConfig } from '../../src/model/policy/config.ts';

type Keys = Record<string, string>;
/** Names and shapes from upstream's classes at the real sizes; `N` stands for `xC` layers. */
const real = JSON.parse(readFileSync('tests/golden/vla-adapter-real-keys.json', 'utf8')) as Record<
  'model' | 'action_head_original' | 'action_head_pro' | 'proprio_projector',
  Keys
>;

function spread(keys: Keys, prefix = ''): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const [name, text] of Object.entries(keys)) {
    const [, dims, count] = /^\[(.*)\] x(\d+)$/.exec(text)!;
    for (let i = 0; i < Number(count); i++)
      shapes.set(prefix + name.replace('.N.', `.${i}.`), dims!.split(', ').map(Number));
  }
  return shapes;
}

const total = (shapes: Iterable<Shape>): number =>
  [...shapes].reduce((sum, shape) => sum + shape.reduce((product, dim) => product * dim, 1), 0);

const bounds = (size: number) => {
  const numbers = Array.from({ length: size }, () => 0.5);
  return { mean: numbers, std: numbers, min: numbers, max: numbers, q01: numbers, q99: numbers };
};

describe.each([
  ['original', real.action_head_original, 102_129_695],
  ['Pro', real.action_head_pro, 217_864_223],
] as const)('VLA-Adapter %s at its real size', (name, headKeys, headCount) => {
  const head = spread(headKeys, 'action_head.');
  const proprio = spread(real.proprio_projector, 'proprio_projector.');
  const model = spread(real.model);
  // save_pretrained leaves out the tied head.
  model.delete('language_model.lm_head.weight');
  const shapes = new Map([...model, ...head, ...proprio]);
  const config: PolicyConfig = policyConfigFromCheckpoint({
    config: {
      use_fused_vision_backbone: true,
      timm_model_ids: ['vit_large_patch14_reg4_dinov2.lvd142m', 'vit_so400m_patch14_siglip_224'],
      image_sizes: [224, 224],
      text_config: {
        model_type: 'qwen2',
        num_attention_heads: 14,
        rope_theta: 1e6,
        tie_word_embeddings: true,
      },
    },
    preprocessor: null,
    statistics: { libero_spatial_no_noops: { action: bounds(7), proprio: bounds(8) } },
    shapes,
  });

  it('is recognised, with Qwen’s own vocabulary', () => {
    expect(config.head).toBe('bridge');
    expect(config.bridge).toEqual({ pro: name === 'Pro', queries: 64, blocks: 24, taskTokens: 512 });
    expect(config.network.language).toMatchObject({ layers: 24, heads: 14, kvHeads: 2, hidden: 896 });
    expect(config.tokens.vocabulary).toBe(151_643);
  });

  it('trains upstream’s modules, and LoRA of as many numbers', () => {
    const wanted = moduleShapes(config);
    const queries = ['action_queries.weight', [64, 896]] as const;
    expect(wanted).toEqual(new Map<string, Shape>([...head, ...proprio, queries]));
    expect(total(head.values())).toBe(headCount);
    const { groups } = countParameters(config, shapes, { r: 64 });
    expect(groups).toMatchObject({
      lora: 103_794_176,
      action_head: headCount,
      proprio_projector: 811_776,
      action_queries: 57_344,
    });
    expect(total(model.values())).toBe(1_252_553_792);
  });
});
