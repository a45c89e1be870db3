import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { attentionMask } from '../../src/model/network/decoder.ts';
import { policyConfigFromCheckpoint, type PolicyConfig } from '../../src/model/policy/config.ts';
import { decodingOf } from '../../src/model/policy/decoding.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { promptFor } from '../../src/model/policy/prompt.ts';
import { layoutSequence } from '../../src/model/policy/sequence.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { diskCheckpoint } from '../../tools/node/disk-folder.ts';
import { caseConfig } from '../../tools/parity/case-config.ts';
import { openTensors, readJson, type GoldenMeta } from '../../tools/parity/golden.ts';
import { folderFiles } from '../../tools/parity/host.ts';

const configOf = async (name: string): Promise<PolicyConfig> => {
  const files = folderFiles(`tests/golden/${name}`);
  const checkpoint = await openCheckpoint(files);
  return caseConfig(checkpoint, await readJson<GoldenMeta>(files, 'meta.json'), true);
};

const facts = async (name: string) => {
  const checkpoint = await openCheckpoint(diskCheckpoint(`tests/golden/${name}`));
  return {
    ...checkpoint,
    shapes: new Map([...checkpoint.tensors.entries].map(([key, { shape }]) => [key, shape])),
  };
};

describe('a checkpoint is told from its files', () => {
  it('VLA-Adapter Pro by its head, with upstream’s literal of 512 task tokens', async () => {
    const { head, bridge, tokens, network } = policyConfigFromCheckpoint(await facts('vla-adapter-pro'));
    expect({ head, bridge }).toEqual({
      head: 'bridge',
      bridge: { pro: true, queries: 64, blocks: 3, taskTokens: 512 },
    });
    expect(tokens).toMatchObject({ bos: null, empty: null });
    expect(network.language).toMatchObject({
      kind: 'qwen2',
      attention: 'causal',
      ropeTheta: 1e6,
      tiedEmbeddings: true,
    });
  });

  it('the original OpenVLA by its mixture of datasets: causal, one action, one image, no crop', async () => {
    const config = policyConfigFromCheckpoint(await facts('openvla-ar'));
    expect(config.head).toBe('autoregressive');
    expect(config.network.language.attention).toBe('causal');
    expect(config.profile).toMatchObject({ chunkSize: 1, state: null });
    expect(config.profile.images).toHaveLength(1);
    expect(config.centerCrop).toBe(false);
  });

  it('OpenVLA-OFT’s Llama stays bidirectional', async () => {
    const { head, network } = policyConfigFromCheckpoint(await facts('discrete'));
    expect({ head, attention: network.language.attention }).toEqual({
      head: 'discrete',
      attention: 'bidirectional',
    });
  });

  it('by its own code before anything else, and never for certain where nothing tells', () => {
    const plain = { shapes: new Map<string, number[]>(), config: {}, statistics: { one: {} } };
    const oft = decodingOf({ ...plain, statistics: { a: {}, b: {} }, modelingCode: 'NUM_ACTIONS_CHUNK = 8' });
    expect(oft).toMatchObject({ kind: 'parallel', certain: true });
    const original = decodingOf({ ...plain, modelingCode: 'def predict_action(self): self.generate()' });
    expect(original).toMatchObject({ kind: 'autoregressive', certain: true });
    expect(decodingOf(plain).certain).toBe(false);
    const state = new Map([['proprio_projector.fc1.weight', [8, 8]]]);
    expect(decodingOf({ ...plain, shapes: state })).toMatchObject({ kind: 'parallel', certain: true });
  });

  it('is refused where Qwen2’s biases are missing, or a language model nobody knows', async () => {
    const known = await facts('vla-adapter-pro');
    const shapes = new Map(known.shapes);
    shapes.delete('language_model.model.layers.1.self_attn.k_proj.bias');
    expect(() => policyConfigFromCheckpoint({ ...known, shapes })).toThrow(
      /layers\.1\.self_attn\.k_proj\.bias/,
    );
    const config = { ...known.config, text_config: { model_type: 'phi' } };
    expect(() => policyConfigFromCheckpoint({ ...known, config })).toThrow(/"phi"/);
  });
});

const last = ({ inputIds, actions }: ReturnType<typeof layoutSequence>) => inputIds[actions.start - 1];

describe('sequences', () => {
  it('VLA-Adapter: prompt, queries, and the stop token at prediction only', async () => {
    const config = await configOf('vla-adapter-pro');
    const predicted = layoutSequence([154, 5, 6], config);
    expect(predicted.actions).toEqual({ start: 3, end: 67 });
    expect(predicted.inputIds).toHaveLength(68);
    expect(layoutSequence([154, 5, 6], config, 'training').inputIds).toHaveLength(67);
  });

  it('the original OpenVLA: prompt and empty token, and in training places for the actions', async () => {
    const config = await configOf('openvla-ar');
    expect(layoutSequence([1, 5], config).inputIds).toEqual([1, 5, config.tokens.empty]);
    const training = layoutSequence([1, 5], config, 'training');
    expect(training.actions).toEqual({ start: 3, end: 10 });
    expect(training.inputIds.at(-1)).toBe(config.tokens.stop);
  });

  it('Mistral’s training texts have another empty token than its prompts', async () => {
    const base = await configOf('discrete');
    const config = { ...base, tokens: { ...base.tokens, emptyInTraining: 28705 } };
    expect(last(layoutSequence([1, 5], config))).toBe(29871);
    expect(last(layoutSequence([1, 5], config, 'training'))).toBe(28705);
  });

  it('prompts are in each language model’s form', () => {
    expect(promptFor('Lift IT', 'mistral')).toBe('In: What action should the robot take to lift it?\nOut:');
    const qwen = promptFor('Lift IT', 'qwen2');
    expect(qwen).toMatch(/^<\|im_start\|>system\n.*<\|im_end\|>\n<\|im_start\|>user\n/);
    expect(qwen).toContain('take to lift it?<|im_end|>\n<|im_start|>assistant\n');
  });
});

const seen = (mask: Float32Array, columns: number) =>
  Array.from({ length: mask.length / columns }, (_, row) =>
    [...mask.subarray(row * columns, (row + 1) * columns)].map((value) => (value === 0 ? 1 : 0)).join(''),
  );

describe('attentionMask', () => {
  it('a causal row sees itself and what is before it, in a window of W the last W + 1', () => {
    const causal = { attention: 'causal', slidingWindow: null } as const;
    expect(seen(attentionMask(causal, 4, 4)!, 4)).toEqual(['1000', '1100', '1110', '1111']);
    const windowed = attentionMask({ ...causal, slidingWindow: 2 }, 5, 5)!;
    expect(seen(windowed, 5)).toEqual(['10000', '11000', '11100', '01110', '00111']);
    expect(seen(attentionMask({ ...causal, slidingWindow: 2 }, 1, 6, 3)!, 6)).toEqual(['011100']);
    expect(attentionMask({ attention: 'bidirectional', slidingWindow: null }, 4, 4)).toBeNull();
  });
});

describe('generation', () => {
  it('that ends early is an error, not the end of the prompt taken for actions', async () => {
    const files = folderFiles('tests/golden/openvla-ar');
    const io = await openTensors(files, 'io.safetensors');
    const checkpoint = await openCheckpoint(files);
    const config = await configOf('openvla-ar');
    const ids = [...(await io.numbers('predicted_token_ids'))];
    const runtime = await createNodeRuntime({ threads: 1 });
    const tokens = { ...config.tokens, stop: ids[2]! };
    const own = { ...config, tokens, profile: { ...config.profile, state: null } };
    const policy = await Policy.load(own, checkpointSource(checkpoint.tensors, 32), runtime);
    const pixels = runtime.upload(Float32Array.from(await io.numbers('pixel_values')), [1, 6, 42, 42]);
    const promptIds = [...(await io.numbers('prompt_input_ids'))];
    const failed = policy.predict({ pixels, promptIds, proprio: null });
    await expect(failed).rejects.toThrow(ModelError);
    await expect(failed).rejects.toThrow(/after 2 of 7 action tokens/);
    await policy.dispose();
    await runtime.dispose();
  });
});
