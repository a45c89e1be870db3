import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu, withoutGpuErrors } from '../../../tests/setup/gpu.ts';
import { loadModule, loadSafetensors } from '../../../tests/setup/safetensors.ts';
import { readBuffer } from './gpu-run.ts';
import type { Matrix } from './dense.ts';
import { cpuDense, runOnGpu, mlp2, mlpResNet, type DenseBackend, type DenseWeights } from './mlp.ts';
import { uploadWeights, withoutPrefix } from '../../../tests/setup/kernels.ts';
import { uploadStorageBuffer } from './gpu-run.ts';

interface Golden {
  title: string;
  folder: string;
  module: string;
  prefix: string;
  network: typeof mlp2;
  input: string;
  output: string;
}

const L1_HEAD = {
  module: 'action_head',
  prefix: 'model.',
  network: mlpResNet,
  input: 'action_head/in',
  output: 'action_head/out',
};
const NOISE_HEAD = { ...L1_HEAD, prefix: 'noise_predictor.mlp_resnet.' };
const PROPRIO = {
  module: 'proprio_projector',
  prefix: '',
  network: mlp2,
  input: 'proprio_in',
  output: 'proprio_token',
};
const NOISY_ACTIONS = {
  module: 'noisy_action_projector',
  prefix: '',
  network: mlp2,
  input: 'noisy_actions_flat_in',
  output: 'noisy_action_features',
};

const GOLDENS: Golden[] = [
  { title: 'L1 head', folder: 'libero-l1', ...L1_HEAD },
  { title: 'L1 head, one backbone', folder: 'siglip-only-l1', ...L1_HEAD },
  { title: 'L1 head, 25 x 14', folder: 'aloha-film-l1', ...L1_HEAD },
  { title: 'noise predictor', folder: 'libero-diffusion', ...NOISE_HEAD },
  { title: 'proprio projector', folder: 'libero-l1', ...PROPRIO },
  { title: 'proprio projector', folder: 'libero-diffusion', ...PROPRIO },
  { title: 'noisy-action projector', folder: 'libero-diffusion', ...NOISY_ACTIONS },
];

/** Far inside the golden README's 3e-4: the inputs are upstream's own, so only these layers' rounding counts. */
const TOLERANCE = 1e-5;

async function load(golden: Golden) {
  const io = await loadSafetensors(`tests/golden/${golden.folder}/io.safetensors`);
  const module = await loadModule(`tests/golden/${golden.folder}/${golden.module}.safetensors`);
  const { f32: data, shape } = io(golden.input);
  const columns = shape.at(-1)!;
  const x: Matrix<Float32Array> = { data, rows: data.length / columns, columns };
  return { x, weights: withoutPrefix(module, golden.prefix), expected: io(golden.output).f32 };
}

function randomTensor(shape: number[], seed: number, scale: number) {
  const length = shape.reduce((a, b) => a * b);
  return { shape, data: randomFloats(length, seed).map((value) => value * scale) };
}

describe('mlp twin', () => {
  it.each(GOLDENS)('$folder: $title equals upstream’s', async (golden) => {
    const { x, weights, expected } = await load(golden);
    expect(golden.network(cpuDense, weights, x).data).toBeNear(expected, TOLERANCE);
  });

  it('names a weight that is missing or has the wrong shape', async () => {
    const { x, weights } = await load(GOLDENS[0]!);
    const missing = Object.fromEntries(Object.entries(weights).filter(([name]) => name !== 'fc2.bias'));
    expect(() => mlpResNet(cpuDense, missing, x)).toThrow(
      expect.objectContaining({ code: 'missing-tensor', message: expect.stringContaining('fc2.bias') }),
    );
    const narrow = { ...x, columns: x.columns / 2, rows: x.rows * 2 };
    expect(() => mlpResNet(cpuDense, weights, narrow)).toThrow(/layer_norm1.weight is \[140\]/);
    expect(() => mlp2(cpuDense, weights, narrow)).toThrow(/fc1.weight is \[20, 140\]/);
  });
});

describeGpu('mlp', (device) => {
  async function onGpu(
    weights: DenseWeights<Float32Array>,
    x: Matrix<Float32Array | GPUBuffer>,
    network: <T>(backend: DenseBackend<T>, weights: DenseWeights<T>, x: Matrix<T>) => Matrix<T>,
  ): Promise<Float32Array> {
    const uploaded = uploadWeights(device, weights);
    try {
      return await withoutGpuErrors(device, async () => {
        const { data, rows, columns } = runOnGpu(device, x, (backend, input) =>
          network(backend, uploaded.weights, input),
        );
        const values = new Float32Array(await readBuffer(device, data, rows * columns * 4));
        data.destroy();
        return values;
      });
    } finally {
      uploaded.destroy();
    }
  }

  it.each(GOLDENS)('$folder: $title equals upstream’s and the twin', async (golden) => {
    const { x, weights, expected } = await load(golden);
    const actual = await onGpu(weights, x, golden.network);
    expect(actual).toBeNear(expected, TOLERANCE, 'upstream');
    expect(actual).toBeNear(golden.network(cpuDense, weights, x).data, TOLERANCE, 'twin');
  });

  it('takes its input from a GPU buffer and leaves it alive', async () => {
    const { x, weights, expected } = await load(GOLDENS[4]!);
    const buffer = uploadStorageBuffer(device, x.data, 'input');
    const input = { ...x, data: buffer };
    for (let i = 0; i < 2; i++) expect(await onGpu(weights, input, mlp2)).toBeNear(expected, TOLERANCE);
    buffer.destroy();
  });

  it('computes a wide head as its twin does', async () => {
    // An L1 head of chunk 8, action 7 and hidden 512: [8, 3584] -> [8, 7] through two blocks.
    const [wide, hidden] = [3584, 512];
    const weights: Record<string, { shape: number[]; data: Float32Array }> = {};
    const layers: [string, number, number][] = [
      ['fc1', hidden, wide],
      ['fc2', 7, hidden],
    ];
    const norms: [string, number][] = [
      ['layer_norm1', wide],
      ['layer_norm2', hidden],
    ];
    for (const block of [0, 1]) {
      norms.push([`mlp_resnet_blocks.${block}.ffn.0`, hidden]);
      layers.push([`mlp_resnet_blocks.${block}.ffn.1`, hidden, hidden]);
    }
    for (const [i, [name, rows, columns]] of layers.entries()) {
      weights[`${name}.weight`] = randomTensor([rows, columns], i, 1.7 / Math.sqrt(columns));
      weights[`${name}.bias`] = randomTensor([rows], i + 10, 0.1);
    }
    for (const [i, [name, size]] of norms.entries()) {
      weights[`${name}.weight`] = randomTensor([size], i + 20, 1);
      weights[`${name}.bias`] = randomTensor([size], i + 30, 0.1);
    }
    const x = { data: randomFloats(8 * wide, 40), rows: 8, columns: wide };
    const expected = mlpResNet(cpuDense, weights, x).data;
    expect(await onGpu(weights, x, mlpResNet)).toBeNear(expected, TOLERANCE);
  });
});
