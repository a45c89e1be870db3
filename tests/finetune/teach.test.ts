import { describe, expect, it } from 'vitest';
import { ADAMW } from '../../src/model/finetune/arena.ts';
import type { Sample } from '../../src/model/finetune/micro-batch.ts';
import { initialParameters } from '../../src/model/finetune/parameters.ts';
import { runPass } from '../../src/model/finetune/pass.ts';
import { Trainables } from '../../src/model/finetune/trainables.ts';
import { Tape } from '../../src/model/network/tape.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import { policyConfigFromCheckpoint } from '../../src/model/policy/config.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { diskCheckpoint } from '../../tools/node/disk-folder.ts';

/** The base of a golden case with a head it has not, and one sample of it. */
async function base(name: string, teach: 'l1' | 'discrete') {
  const checkpoint = await openCheckpoint(diskCheckpoint(`tests/golden/${name}`));
  const config = policyConfigFromCheckpoint({
    ...checkpoint,
    shapes: new Map([...checkpoint.tensors.entries].map(([key, { shape }]) => [key, shape])),
    teach,
    profile: 'libero',
    images: 1,
  });
  const tokens = { ...config.tokens, empty: 200 };
  const own = { ...config, tokens, profile: { ...config.profile, chunkSize: 2, state: null } };
  const { imageSize } = own.network.vits[0]!;
  const sample: Sample = {
    pixels: Float32Array.from({ length: 6 * imageSize ** 2 }, (_, i) => Math.sin(i)),
    promptIds: [1, 17, 40],
    proprio: null,
    actions: Float32Array.from({ length: 14 }, (_, i) => Math.cos(i)),
  };
  return { config: own, source: checkpointSource(checkpoint.tensors, 32), sample };
}

describe('a head of OpenVLA-OFT on another family’s checkpoint', () => {
  it.each([
    ['openvla-ar', 'l1', 'bidirectional'],
    ['vla-adapter-pro', 'discrete', 'causal'],
  ] as const)('%s learns %s, %s', async (name, teach, attention) => {
    const { config, source, sample } = await base(name, teach);
    expect(config).toMatchObject({ head: teach, network: { language: { attention } } });
    const runtime = await createNodeRuntime({ threads: 1 });
    const policy = await Policy.load(config, source, runtime);
    const { trained, lora } = await initialParameters(config, source, { lora: { r: 4 }, seed: 1 });
    expect([...trained.keys()].some((key) => key.startsWith('action_head.'))).toBe(teach === 'l1');
    // The tied embedding table is lm_head here, and adapted as one.
    expect(trained.has('language_model.lm_head.lora_A.weight')).toBe(teach === 'discrete');
    const trainables = new Trainables(runtime, trained, lora!.alpha / lora!.r);
    policy.use(trainables);
    const losses: number[] = [];
    for (let step = 0; step < 8; step++) {
      const tape = new Tape(trainables.tapeOptions);
      losses.push((await runPass(policy, [sample], { tape })).loss);
      await trainables.step({ ...ADAMW, learningRate: 1e-2 });
    }
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
    policy.use(null);
    trainables.dispose();
    await policy.dispose();
    await runtime.dispose();
  });
});
