import { describe, expect, it } from 'vitest';
import { initialLoraA, resolveLora } from '../../src/model/finetune/lora.ts';
import { initialModules } from '../../src/model/finetune/modules-init.ts';
import { moduleShapes } from '../../src/model/policy/module-shapes.ts';
import { countParameters } from '../../src/model/finetune/parameters.ts';
import { Random } from '../../src/base/random.ts';
import { CHECKPOINT_SHAPES, checkpointTensors } from '../../tools/make-checkpoint/checkpoint-shapes.ts';
import type { TrainMeta } from '../../tools/parity/train-case.ts';
import { openCase } from '../setup/golden-policy.ts';

const { model: SEVEN_BILLION, actionHead, proprioProjector } = checkpointTensors(CHECKPOINT_SHAPES['7b']);

const total = (shapes: ReadonlyMap<string, readonly number[]>) =>
  [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((n, d) => n * d, 1), 0);

describe('LoRA targets', () => {
  it('adapts 110,828,288 parameters of OpenVLA-7B at rank 32', () => {
    const { modules, config } = resolveLora(SEVEN_BILLION);
    const count = modules.reduce(
      (sum, { a, b }) => sum + a.reduce((n, d) => n * d) + b.reduce((n, d) => n * d),
      0,
    );
    expect(count).toBe(110_828_288);
    expect(config).toEqual({
      r: 32,
      alpha: 16,
      dropout: 0,
      targetModules: [
        'down_proj',
        'fc1',
        'fc2',
        'fc3',
        'gate_proj',
        'k_proj',
        'kv',
        'lm_head',
        'o_proj',
        'proj',
        'q',
        'q_proj',
        'qkv',
        'up_proj',
        'v_proj',
      ],
    });
  });

  it('names the same modules and targets as PEFT did for every golden case', async () => {
    for (const name of ['libero-l1', 'siglip-only-l1', 'libero-diffusion', 'aloha-film-l1', 'discrete']) {
      const { meta, shapes } = await openCase(name);
      const { lora } = (meta as TrainMeta).train;
      const listed = lora.lora_modules.map((module) =>
        // FiLM wraps the vision backbone and its blocks after PEFT has looked.
        module.replace('vision_backbone.vision_backbone.', 'vision_backbone.').replace('.block.', '.'),
      );
      const resolved = resolveLora(shapes, { r: lora.r });
      expect(resolved.modules.map((module) => module.name).toSorted(), name).toEqual(listed.toSorted());
      expect(resolved.config.targetModules, name).toEqual(lora.target_modules);
    }
  });

  it('takes the language model alone, or a pattern of whole names', () => {
    const language = resolveLora(SEVEN_BILLION, { targets: 'language-model' }).modules;
    expect(language).toHaveLength(32 * 7);
    const pattern = String.raw`.*\.layers\.[01]\.self_attn\.(q|v)_proj`;
    const some = resolveLora(SEVEN_BILLION, { r: 4, targets: { pattern } });
    expect(some.config.targetModules).toEqual([
      'language_model.model.layers.0.self_attn.q_proj',
      'language_model.model.layers.0.self_attn.v_proj',
      'language_model.model.layers.1.self_attn.q_proj',
      'language_model.model.layers.1.self_attn.v_proj',
    ]);
  });

  it.each([
    [{ r: 0 }, 'rank'],
    [{ r: 1.5 }, 'rank'],
    [{ alpha: -1 }, 'alpha'],
    [{ dropout: 1 }, 'dropout'],
    [{ targets: { pattern: 'q_proj' } }, 'match none'],
    [{ targets: { pattern: '(' } }, 'regular expression'],
  ])('refuses %o', (options, reason) => {
    expect(() => resolveLora(SEVEN_BILLION, options)).toThrow(reason);
  });

  it('starts A with a standard deviation of 1 / r', () => {
    const values = initialLoraA([32, 4096], new Random(3));
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    // Four standard errors.
    expect(Math.abs(mean)).toBeLessThan(4 / 32 / Math.sqrt(values.length));
    expect(Math.abs(deviation * 32 - 1)).toBeLessThan(4 / Math.sqrt(2 * values.length));
  });
});

describe('parameters of a run', () => {
  it('are counted by module, with their share of the whole', async () => {
    const { config } = await openCase('libero-l1');
    // The real policy's sizes, with the golden case's robot.
    const network = {
      ...config.network,
      language: { ...config.network.language, hidden: 4096, layers: 32, heads: 32 },
    };
    const count = countParameters({ ...config, network }, SEVEN_BILLION, {});
    expect(count.groups.lora).toBe(110_828_288);
    expect(count.base).toBe(7_541_237_184);
    expect(count.groups.action_head).toBe(total(actionHead));
    expect(count.groups.proprio_projector).toBe(total(proprioProjector));
    expect(count.trainable).toBe(Object.values(count.groups).reduce((sum, n) => sum + n, 0));
  });

  it('have the shapes the golden modules have', async () => {
    for (const name of ['libero-l1', 'siglip-only-l1', 'libero-diffusion', 'aloha-film-l1', 'discrete']) {
      const { config, shapes } = await openCase(name);
      for (const [module, shape] of moduleShapes(config))
        expect(shapes.get(module), `${name} ${module}`).toEqual(shape);
      const ours = new Set(moduleShapes(config).keys());
      const stray = [...shapes.keys()].filter(
        (key) => /^(action_head|proprio|noisy)|\.(scale|shift)\.(weight|bias)$/.test(key) && !ours.has(key),
      );
      expect(stray, name).toEqual([]);
    }
  });

  it('start as torch starts them', () => {
    const shapes = new Map([
      ['fc.weight', [64, 400]],
      ['fc.bias', [64]],
      ['norm.weight', [8]],
      ['norm.bias', [8]],
    ]);
    const modules = initialModules(shapes, new Random(1));
    const bound = 1 / Math.sqrt(400);
    for (const name of ['fc.weight', 'fc.bias']) {
      const { data } = modules.get(name)!;
      expect(Math.max(...data.map(Math.abs)), name).toBeLessThanOrEqual(bound);
      expect(Math.max(...data), name).toBeGreaterThan(0.8 * bound);
      expect(Math.min(...data), name).toBeLessThan(-0.8 * bound);
    }
    expect([...modules.get('norm.weight')!.data]).toEqual(Array(8).fill(1));
    expect([...modules.get('norm.bias')!.data]).toEqual(Array(8).fill(0));
  });
});
