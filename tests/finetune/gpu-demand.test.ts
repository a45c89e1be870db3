import { describe, expect, it } from 'vitest';
import { gpuDemandOf, plannedDemandOf } from '../../src/model/finetune/gpu-demand.ts';
import { storageEncoding } from '../../src/model/network/storage-encoding.ts';
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { caseConfig } from '../../tools/parity/case-config.ts';
import { readJson, type GoldenMeta } from '../../tools/parity/golden.ts';
import { folderFiles } from '../../tools/parity/host.ts';

const GIB = 2 ** 30;
const roomy = { maxBufferSize: 2 * GIB, maxStorageBufferBindingSize: 2 * GIB };

async function opened(name: string) {
  const folder = folderFiles(`tests/golden/${name}`);
  const checkpoint = await openCheckpoint(folder);
  const shapes = [...checkpoint.tensors.entries].map(([key, { shape }]) => [key, shape] as const);
  const hasProprio = shapes.some(([key]) => key.startsWith('proprio_projector.'));
  const config = caseConfig(checkpoint, await readJson<GoldenMeta>(folder, 'meta.json'), hasProprio);
  const tensors = shapes.map(([key, shape]) => ({
    name: key,
    shape,
    encoding: storageEncoding(key, shape, 4),
  }));
  return { config, tensors };
}

describe('what a policy asks of a GPU', () => {
  it.each([
    'aloha-film-l1',
    'discrete',
    'libero-diffusion',
    'libero-l1',
    'siglip-only-l1',
    'vla-adapter-pro',
  ])('is planned for %s before a weight is fetched', async (name) => {
    const { config, tensors } = await opened(name);
    const demand = await gpuDemandOf(config, tensors, roomy);
    const { prediction, training } = demand!;
    expect([prediction.refusal, training.refusal]).toEqual([null, null]);
    expect(training.bytes).toBeGreaterThan(prediction.bytes!);
    expect(prediction.bytes).toBeGreaterThan(prediction.largestBuffer!);
  });

  it('says which tensor is larger than the GPU binds', async () => {
    const { config, tensors } = await opened('libero-l1');
    const demand = await gpuDemandOf(config, tensors, {
      maxBufferSize: 8192,
      maxStorageBufferBindingSize: 8192,
    });
    const refused = { bytes: null, largestBuffer: null };
    expect(demand).toMatchObject({ prediction: refused, training: refused });
    expect(demand!.prediction.refusal).toMatch(/a tensor of \d+ bytes, expected at most 8192, which is what/);
  });

  it('leaves small policies, and the CPU, to the rough demand', async () => {
    const { config, tensors } = await opened('siglip-only-l1');
    const rough = { storedBytes: 1, weightBytes: 63e6, largestTensorBytes: 1, activationBytes: 1, flop: 1 };
    const choice = { backend: 'webgpu', reason: '', adapter: null, limits: roomy, threads: 1 } as const;
    expect(await plannedDemandOf(rough, config, tensors, choice)).toBe(rough);
    const large = { ...rough, weightBytes: 64e6 };
    expect(await plannedDemandOf(large, config, tensors, { ...choice, backend: 'wasm' })).toBe(large);
    expect((await plannedDemandOf(large, config, tensors, choice)).gpu?.prediction.bytes).toBeGreaterThan(0);
  });

  it('is not told of the original OpenVLA, which predicts token by token', async () => {
    const { config, tensors } = await opened('openvla-ar');
    expect(await gpuDemandOf(config, tensors, roomy)).toBeNull();
  });
});
