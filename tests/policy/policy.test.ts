import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { checkpointSource } from '../../src/model/policy/checkpoint-source.ts';
import { parsePolicyConfig, policyConfigFromCheckpoint } from '../../src/model/policy/config.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { diskCheckpoint } from '../../tools/node/disk-folder.ts';

async function open(name: string) {
  const checkpoint = await openCheckpoint(diskCheckpoint(`tests/golden/${name}`));
  const shapes = new Map([...checkpoint.tensors.entries].map(([tensor, { shape }]) => [tensor, shape]));
  const facts = { ...checkpoint, shapes };
  return { facts, source: checkpointSource(checkpoint.tensors, 32) };
}

const grey = (size: number) => ({
  width: size,
  height: size,
  data: new Uint8Array(size * size * 4).fill(128),
});
const noFrames = () => {
  throw new Error('no video frames here');
};

describe('Policy', () => {
  it('frees every tensor it made', async () => {
    const { facts, source } = await open('libero-l1');
    const config = policyConfigFromCheckpoint(facts);
    const runtime = await createNodeRuntime({ threads: 1 });
    const policy = await Policy.load(config, source, runtime);
    const { pixels } = await createObserver(config, runtime, noFrames).observe([grey(56), grey(70)]);
    const proprio = config.profile.state!.map(() => 0);
    // More prompt lengths than programs and rotary tables are kept for, so that both caches also evict.
    for (let length = 2; length < 42; length++) {
      const promptIds = [1, ...Array.from({ length: length - 1 }, () => 512)];
      await policy.predict({ pixels, promptIds, proprio });
    }
    pixels.dispose();
    await policy.dispose();
    expect(runtime.live).toMatchObject({ tensors: 0, byteLength: 0 });
    await runtime.dispose();
  });

  it('frees what was uploaded when loading is cancelled or fails', async () => {
    const { facts, source } = await open('libero-l1');
    const config = policyConfigFromCheckpoint(facts);
    const runtime = await createNodeRuntime({ threads: 1 });
    const aborted = AbortSignal.abort();
    await expect(Policy.load(config, source, runtime, { signal: aborted })).rejects.toMatchObject({
      code: 'cancelled',
    });
    const broken = {
      ...source,
      load: (name: string) =>
        name.includes('layers.2.')
          ? Promise.reject(new ModelError('bad-file', 'damaged'))
          : source.load(name),
    };
    await expect(Policy.load(config, broken, runtime)).rejects.toMatchObject({ code: 'bad-file' });
    expect(runtime.live.tensors).toBe(0);
    await runtime.dispose();
  });

  it('refuses the wrong number of images and a state it does not take', async () => {
    const { facts, source } = await open('libero-l1');
    const config = policyConfigFromCheckpoint(facts);
    const runtime = await createNodeRuntime({ threads: 1 });
    const policy = await Policy.load(config, source, runtime);
    await expect(createObserver(config, runtime, noFrames).observe([grey(56)])).rejects.toThrow(
      /Needs 2 images .*, but got 1/,
    );
    expect(() => policy.normalizeState([1, 2], config.defaultUnnormKey)).toThrow(/has 2 values/);
    expect(() => policy.unnormalize([[0]], 'other_robot')).toThrow(/no statistics "other_robot"/);
    await policy.dispose();
    await runtime.dispose();
  });
});

describe('policy config', () => {
  it('survives the way through a manifest', async () => {
    for (const name of ['libero-l1', 'libero-diffusion', 'aloha-film-l1', 'discrete', 'siglip-only-l1']) {
      const config = policyConfigFromCheckpoint((await open(name)).facts);
      expect(parsePolicyConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    }
  });

  it('names the field that is wrong', async () => {
    const config = policyConfigFromCheckpoint((await open('libero-l1')).facts);
    const wrong = { ...config, profile: { ...config.profile, chunkSize: -1 } };
    expect(() => parsePolicyConfig(wrong)).toThrow(/config\.profile\.chunkSize/);
    expect(() => parsePolicyConfig({ ...config, defaultUnnormKey: 'gone' })).toThrow(
      /un-normalises with "gone"/,
    );
    expect(() => parsePolicyConfig(null)).toThrow(ModelError);
  });

  it('says which profile or statistics a checkpoint lacks', async () => {
    const { facts } = await open('libero-l1');
    expect(() => policyConfigFromCheckpoint({ ...facts, profile: 'toaster' })).toThrow(
      /No robot profile "toaster"/,
    );
    expect(() => policyConfigFromCheckpoint({ ...facts, unnormKey: 'x' })).toThrow(/"x" was asked for/);
  });
});
