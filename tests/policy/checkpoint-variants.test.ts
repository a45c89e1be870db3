/** Checkpoints as nobody has tried them yet: what they mean, or which file and field says why they are not read. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { checkTensors } from '../../src/model/policy/checkpoint-tensors.ts';
import {
  policyConfigFromCheckpoint,
  type CheckpointFacts,
  type PolicyConfig,
} from '../../src/model/policy/config.ts';
import { parseImageProcessorConfig, planImage } from '../../src/model/policy/image-processor-plan.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { diskCheckpoint } from '../../tools/node/disk-folder.ts';

type Facts = CheckpointFacts & { shapes: Map<string, readonly number[]> };
const CASES = [
  'libero-l1',
  'libero-diffusion',
  'discrete',
  'openvla-ar',
  'vla-adapter-pro',
  'siglip-only-l1',
] as const;
const known = new Map<string, Facts>();

beforeAll(async () => {
  for (const name of CASES) {
    const checkpoint = await openCheckpoint(diskCheckpoint(`tests/golden/${name}`));
    const shapes = new Map([...checkpoint.tensors.entries].map(([key, { shape }]) => [key, shape] as const));
    known.set(name, { ...checkpoint, shapes });
  }
});

/** What a changed copy of a golden case is read as. */
function read(
  name: (typeof CASES)[number],
  change: (facts: Facts) => Partial<CheckpointFacts> | void,
): PolicyConfig {
  const facts = known.get(name)!;
  const copy: Facts = { ...facts, config: structuredClone(facts.config), shapes: new Map(facts.shapes) };
  const changed = { ...copy, ...change(copy) };
  const config = policyConfigFromCheckpoint(changed);
  checkTensors(changed.shapes, config, { teach: changed.teach !== undefined, own: false });
  return config;
}

function refusal(...of: Parameters<typeof read>): { code: string; message: string } {
  try {
    read(...of);
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  return expect.unreachable('It was read.');
}

const text = (fields: object) => (facts: Facts) => {
  facts.config['text_config'] = { ...(facts.config['text_config'] as object), ...fields };
};
const without = (name: string) => (facts: Facts) => {
  expect(facts.shapes.delete(name)).toBe(true);
};
const having = (name: string, shape: number[]) => (facts: Facts) => {
  facts.shapes.set(name, shape);
};

const language = (fields: object) => read('libero-l1', text(fields)).network.language;
const renamed = (key: string) => (facts: Facts) => {
  const [first, ...others] = Object.entries(facts.statistics!);
  return { statistics: Object.fromEntries([[key, first![1]], ...others]) };
};
const vicuna = ({ config }: Facts) => void (config['llm_backbone_id'] = 'vicuna-v15-7b');
const configured = (fields: object) => (facts: Facts) => void Object.assign(facts.config, fields);
const preprocessor = (change: object) => (facts: Facts) => ({
  preprocessor: { ...facts.preprocessor!, ...change },
});
const made = (strategy: string) =>
  read('siglip-only-l1', ({ config }) => {
    config['image_resize_strategy'] = strategy;
    return { preprocessor: null };
  }).preprocessor;

const plan = (strategy: string) =>
  planImage(parseImageProcessorConfig(made(strategy)), 80, 60, {
    centerCrop: false,
    policyResize: false,
  });

const kinds = (strategy: string) => {
  const { common, backbones } = plan(strategy);
  return [...common, ...backbones[0]!.stages].map((stage) =>
    stage.kind === 'window'
      ? `${stage.window.width} × ${stage.window.height} ${stage.window.fill.join()}`
      : stage.kind,
  );
};

describe('text_config', () => {
  it.each<[object, string, string]>([
    [{ rope_scaling: { type: 'linear', factor: 2 } }, 'unsupported', 'text_config.rope_scaling'],
    [{ rope_parameters: { rope_type: 'yarn', factor: 4 } }, 'unsupported', 'text_config.rope_parameters'],
    [{ hidden_act: 'gelu' }, 'unsupported', 'text_config.hidden_act is "gelu"'],
    [{ head_dim: 32 }, 'unsupported', 'text_config.head_dim is 32'],
    [{ partial_rotary_factor: 0.5 }, 'unsupported', 'text_config.partial_rotary_factor'],
    [{ num_hidden_layers: 2 }, 'bad-shape', 'num_hidden_layers is 2, but the weights have 3'],
    [{ vocab_size: 32000 }, 'bad-shape', 'vocab_size is 32000, but the weights have 32064'],
    [{ intermediate_size: 65 }, 'bad-shape', 'intermediate_size'],
    [{ num_key_value_heads: 1 }, 'bad-shape', 'num_key_value_heads'],
    [{ rms_norm_eps: 'small' }, 'bad-file', 'text_config.rms_norm_eps is "small"'],
    [{ rope_theta: 0 }, 'bad-file', 'text_config.rope_theta is 0'],
    [{ model_type: 'qwen2' }, 'unsupported', 'llm_backbone_id is "llama2-7b-pure", a llama'],
  ])('%j is refused by field', (fields, code, part) => {
    const { code: found, message } = refusal('libero-l1', text(fields));
    expect(message).toContain(part);
    expect(found).toBe(code);
  });

  it('takes what transformers 5 writes, and what is plain', () => {
    expect(language({ rope_parameters: { rope_type: 'default', rope_theta: 5e5 } }).ropeTheta).toBe(5e5);
    expect(language({ rope_scaling: null, hidden_act: 'silu', head_dim: 10 }).ropeTheta).toBe(1e4);
  });

  it('without a model type goes by llm_backbone_id, as upstream does', () => {
    const { kind } = read('vla-adapter-pro', text({ model_type: undefined })).network.language;
    expect(kind).toBe('qwen2');
  });
});

describe('tensors', () => {
  const block = 'vision_backbone.featurizer.blocks.1';
  it.each<[string, (typeof CASES)[number], (facts: Facts) => void, string]>([
    [
      'a layer’s weight',
      'libero-l1',
      without('language_model.model.layers.1.mlp.up_proj.weight'),
      'layers.1.mlp.up_proj.weight',
    ],
    ['a norm', 'libero-l1', without('language_model.model.norm.weight'), 'model.norm.weight'],
    ['a tower’s bias', 'libero-l1', without(`${block}.attn.qkv.bias`), `${block}.attn.qkv.bias`],
    ['one LayerScale', 'libero-l1', without(`${block}.ls2.scale_factor`), 'ls2.scale_factor'],
    [
      'the projector’s last layer',
      'libero-l1',
      ({ shapes }) => ['weight', 'bias'].forEach((part) => shapes.delete(`projector.fc3.${part}`)),
      'projector.fc3.weight',
    ],
    [
      'lm_head, which action tokens need',
      'discrete',
      without('language_model.lm_head.weight'),
      'lm_head.weight',
    ],
    [
      'half of the head',
      'libero-l1',
      without('action_head.model.fc1.weight'),
      'action_head.model.fc1.weight',
    ],
    [
      'the noisy actions’ projector',
      'libero-diffusion',
      without('noisy_action_projector.fc2.weight'),
      'noisy_action_projector.fc2',
    ],
    ['VLA-Adapter’s queries', 'vla-adapter-pro', without('action_queries.weight'), 'action_queries.weight'],
    [
      'VLA-Adapter’s whole head',
      'vla-adapter-pro',
      ({ shapes }) => {
        for (const name of shapes.keys()) if (name.startsWith('action_head.')) shapes.delete(name);
      },
      'but no action head',
    ],
  ])('that are missing are told: %s', (_, name, change, part) => {
    expect(refusal(name, change).message).toContain(part);
  });

  it.each<[string, (typeof CASES)[number], (facts: Facts) => void, string]>([
    ['LayerScale that was not renamed', 'libero-l1', having(`${block}.ls3.gamma`, [32]), 'ls3.gamma'],
    [
      'norms of queries and keys',
      'libero-l1',
      having(`${block}.attn.q_norm.weight`, [16]),
      'attn.q_norm.weight',
    ],
    [
      'a third block of the head',
      'libero-l1',
      having('action_head.model.mlp_resnet_blocks.2.ffn.1.weight', [20, 20]),
      'mlp_resnet_blocks.2',
    ],
    [
      'another run’s module',
      'libero-l1',
      having('noisy_action_projector.fc1.weight', [20, 1]),
      'noisy_action_projector',
    ],
    ['a head nobody knows', 'libero-l1', having('action_head.flow.weight', [20, 20]), 'action_head.flow'],
    [
      'Qwen3’s norms',
      'vla-adapter-pro',
      having('language_model.model.layers.0.self_attn.q_norm.weight', [4]),
      'q_norm',
    ],
  ])('that are not computed with are told: %s', (_, name, change, part) => {
    const { code, message } = refusal(name, change);
    expect(message).toContain(part);
    expect(code).toBe('unsupported');
  });

  it('of one tower only, where config.json says so, are not taken for two', () => {
    const { message } = refusal('libero-l1', ({ config }) => {
      config['use_fused_vision_backbone'] = false;
      config['image_sizes'] = [56];
      return { preprocessor: null };
    });
    expect(message).toContain('"projector.fc1.weight" is [248, 62]');
  });

  it('that nothing ever runs, and biases that transformers can switch on, are no reason to refuse', () => {
    const { head } = read('libero-l1', ({ shapes }) => {
      shapes.set('language_model.model.layers.0.self_attn.rotary_emb.inv_freq', [5]);
      shapes.set('language_model.model.layers.0.self_attn.o_proj.bias', [20]);
      shapes.set('vision_backbone.featurizer.norm.weight', [32]);
    });
    expect(head).toBe('l1');
  });

  it('of a head that is to be taught may be missing', () => {
    expect(read('openvla-ar', () => ({ teach: 'l1' })).head).toBe('l1');
  });

  it('of another size than the timm model that config.json names are refused, whose heads are another number', () => {
    const { message } = refusal('siglip-only-l1', ({ config }) => {
      delete config['oracle_tiny_vits'];
      config['timm_model_ids'] = ['vit_so400m_patch14_siglip_224'];
    });
    expect(message).toContain('vit_so400m_patch14_siglip_224, which has 27 blocks of 1152');
  });
});

describe('robots', () => {
  it('of the original OpenVLA are of any dataset, and always go by q01 and q99', () => {
    const other = read('openvla-ar', renamed('austin_buds_dataset_converted_externally_to_rlds'));
    expect(other.profile).toMatchObject({ chunkSize: 1, normalization: 'bounds_q99' });
    expect(other.profile.actions).toHaveLength(7);
    expect(read('openvla-ar', renamed('aloha_fold')).profile.normalization).toBe('bounds_q99');
  });

  it('of CALVIN are VLA-Adapter’s', () => {
    const { profile } = read('vla-adapter-pro', renamed('calvin_abc'));
    expect(profile).toMatchObject({ name: 'calvin', chunkSize: 8, normalization: 'bounds_q99' });
    expect(profile.images).toHaveLength(2);
  });

  it('that nothing tells are asked for', () => {
    expect(refusal('libero-l1', renamed('my_robot')).message).toContain('the statistics key "my_robot"');
    expect(refusal('libero-l1', () => ({ unnormKey: 'toString' })).message).toContain(
      '"toString" was asked for',
    );
    expect(refusal('libero-l1', () => ({ profile: 'constructor' })).message).toContain('"constructor"');
  });
});

it('diffusion steps are finetune.py’s 50 unless they are given: no file tells them', () => {
  expect(read('libero-diffusion', () => ({})).diffusion).toEqual({ trainSteps: 50, inferenceSteps: 50 });
  const given = read('libero-diffusion', () => ({ diffusionSteps: 100 }));
  expect(given.diffusion).toEqual({ trainSteps: 100, inferenceSteps: 50 });
  expect(read('libero-diffusion', () => ({ diffusionSteps: 20 })).diffusion!.inferenceSteps).toBe(20);
  expect(refusal('libero-l1', () => ({ diffusionSteps: 20 })).message).toContain('no diffusion head');
});

it('OpenVLA v0.1, whose prompt is another, is refused; as a base for another head it is taken', () => {
  expect(refusal('openvla-ar', vicuna).message).toContain('this is OpenVLA v0.1');
  const taught = read('openvla-ar', (facts) => {
    vicuna(facts);
    return { teach: 'l1' };
  });
  expect(taught.network.language.attention).toBe('bidirectional');
});

it('numbers of config.json that are none are told by field', () => {
  expect(read('discrete', configured({ n_action_bins: 64 })).actionBins).toBe(64);
  expect(refusal('discrete', configured({ n_action_bins: 'many' })).message).toContain(
    'n_action_bins is "many"',
  );
  expect(refusal('discrete', configured({ pad_to_multiple_of: 40_000 })).message).toContain('up to 32063');
});

describe('preprocessing', () => {
  it('that does not fit the towers is told at once', () => {
    const { code, message } = refusal(
      'libero-l1',
      preprocessor({ input_sizes: [[3, 224, 224]], tvf_crop_params: null }),
    );
    expect({ code, message }).toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('56 × 56 and 56 × 56') as string,
    });
    expect(refusal('libero-l1', preprocessor({ image_resize_strategy: 'corner-pad' })).message).toContain(
      'preprocessor_config.json: image_resize_strategy',
    );
  });

  it('of a folder without the file goes by config.json’s strategy, as convert_openvla_weights_to_hf.py writes it', () => {
    expect(kinds('resize-naive')).toEqual(['resample', 'resample']);
    expect(kinds('letterbox')).toEqual(['80 × 80 127,127,127', 'resample', 'resample']);
    expect(kinds('resize-crop')).toEqual(['resample', 'resample', '56 × 56 0,0,0']);
  });
});
