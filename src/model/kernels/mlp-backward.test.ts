import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { loadJson } from '../../../tests/setup/fixture.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf, numericGradient, withoutPrefix } from '../../../tests/setup/kernels.ts';
import { loadModule, loadSafetensors } from '../../../tests/setup/safetensors.ts';
import type { Matrix } from './dense.ts';
import { gelu } from './gelu.ts';
import { mlp2Backward, mlpResNetBackward } from './mlp-backward.ts';
import { cpuDense, gpuDense, mlpResNet, type DenseWeights } from './mlp.ts';
import { regressionLoss } from './regression-loss.cpu.ts';

type Weights = Record<string, { shape: number[]; data: Float32Array }>;
type Numbers = ArrayLike<number>;

/** y = x · Wᵀ + b by rows, in float64. */
function linear64(weights: Record<string, Numbers>, name: string, rows: number[][]): number[][] {
  const [weight, bias] = [weights[`${name}.weight`]!, weights[`${name}.bias`]!];
  return rows.map((row) =>
    Array.from(bias, (b, n) => row.reduce((sum, value, k) => sum + value * weight[n * row.length + k]!, b)),
  );
}

function norm64(weights: Record<string, Numbers>, name: string, rows: number[][]): number[][] {
  return rows.map((row) => {
    const mean = row.reduce((a, b) => a + b) / row.length;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    return row.map(
      (value, i) => (value - mean) * scale * weights[`${name}.weight`]![i]! + weights[`${name}.bias`]![i]!,
    );
  });
}

const relu64 = (rows: number[][]): number[][] => rows.map((row) => row.map((value) => Math.max(value, 0)));

/** The networks once more, in float64 and on nested arrays: what finite differences are taken of. */
const FORWARD = {
  mlp2: (weights: Record<string, Numbers>, rows: number[][]) =>
    linear64(
      weights,
      'fc2',
      linear64(weights, 'fc1', rows).map((row) => row.map(gelu)),
    ),
  mlpResNet: (weights: Record<string, Numbers>, rows: number[][]) => {
    let hidden = relu64(linear64(weights, 'fc1', norm64(weights, 'layer_norm1', rows)));
    for (const block of [0, 1]) {
      const name = `mlp_resnet_blocks.${block}.ffn`;
      const branch = relu64(linear64(weights, `${name}.1`, norm64(weights, `${name}.0`, hidden)));
      hidden = hidden.map((row, i) => row.map((value, j) => value + branch[i]![j]!));
    }
    return linear64(weights, 'fc2', norm64(weights, 'layer_norm2', hidden));
  },
};

function tensor(shape: number[], seed: number, scale: number, offset = 0) {
  const length = shape.reduce((a, b) => a * b);
  return { shape, data: randomFloats(length, seed).map((value) => value * scale + offset) };
}

const linearWeights = (name: string, rows: number, columns: number, seed: number): Weights => ({
  [`${name}.weight`]: tensor([rows, columns], seed, 1.7 / Math.sqrt(columns)),
  [`${name}.bias`]: tensor([rows], seed + 1, 0.3),
});
const normWeights = (name: string, size: number, seed: number): Weights => ({
  [`${name}.weight`]: tensor([size], seed, 0.5, 1),
  [`${name}.bias`]: tensor([size], seed + 1, 0.3),
});

interface Case {
  title: keyof typeof FORWARD;
  backward: typeof mlp2Backward;
  weights: (input: number, hidden: number, output: number) => Weights;
}

const CASES: Case[] = [
  {
    title: 'mlp2',
    backward: mlp2Backward,
    weights: (input, hidden, output) => ({
      ...linearWeights('fc1', hidden, input, 1),
      ...linearWeights('fc2', output, hidden, 3),
    }),
  },
  {
    title: 'mlpResNet',
    backward: mlpResNetBackward,
    weights: (input, hidden, output) => ({
      ...normWeights('layer_norm1', input, 1),
      ...linearWeights('fc1', hidden, input, 3),
      ...normWeights('mlp_resnet_blocks.0.ffn.0', hidden, 5),
      ...linearWeights('mlp_resnet_blocks.0.ffn.1', hidden, hidden, 7),
      ...normWeights('mlp_resnet_blocks.1.ffn.0', hidden, 9),
      ...linearWeights('mlp_resnet_blocks.1.ffn.1', hidden, hidden, 11),
      ...normWeights('layer_norm2', hidden, 13),
      ...linearWeights('fc2', output, hidden, 15),
    }),
  },
];

const matrix = (rows: number, columns: number, seed: number): Matrix<Float32Array> => ({
  data: randomFloats(rows * columns, seed),
  rows,
  columns,
});

const like = (
  weights: DenseWeights<Float32Array>,
  fill: (length: number, i: number) => Float32Array,
): Weights =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }], i) => [
      name,
      { shape: [...shape], data: fill(data.length, i) },
    ]),
  );
const zerosLike = (weights: DenseWeights<Float32Array>): Weights =>
  like(weights, (length) => new Float32Array(length));

function rowsOf(data: Numbers, columns: number): number[][] {
  const values = Array.from(data);
  return Array.from({ length: values.length / columns }, (_, i) =>
    values.slice(i * columns, (i + 1) * columns),
  );
}

/** Intermediate results are rounded to f32 a dozen times on the way. */
const TOLERANCE = 1e-5;

describe.each(CASES)('$title backward, twin', ({ title, backward, weights: make }) => {
  it.each([
    [3, 5, 7, 2],
    [1, 9, 3, 5],
    [2, 1, 4, 1],
  ])('%i x %i, hidden %i, output %i is the gradient of Σ dy · y', (rows, input, hidden, output) => {
    const weights = make(input, hidden, output);
    const [x, dy] = [matrix(rows, input, 21), matrix(rows, output, 22)];
    const gradients = zerosLike(weights);
    const dx = backward(cpuDense, weights, gradients, x, dy)!;
    const values = Object.fromEntries(Object.entries(weights).map(([name, { data }]) => [name, data]));
    const loss = (parameters: Record<string, Numbers>, xs: Numbers): number => {
      const y = FORWARD[title](parameters, rowsOf(xs, input)).flat();
      return y.reduce((sum, value, i) => sum + dy.data[i]! * value, 0);
    };
    expect(dx).toMatchObject({ rows, columns: input });
    expect(dx.data).toBeNear(
      numericGradient((xs) => loss(values, xs), x.data, 1e-6),
      TOLERANCE,
      'dx',
    );
    for (const [name, { data }] of Object.entries(gradients)) {
      const numeric = numericGradient((ws) => loss({ ...values, [name]: ws }, x.data), values[name]!, 1e-6);
      expect(data).toBeNear(numeric, TOLERANCE, name);
    }
  });

  it('adds to gradients, and to the same ones where dx is declined', () => {
    const weights = make(5, 7, 2);
    const [x, dy] = [matrix(3, 5, 21), matrix(3, 2, 22)];
    const [fresh, added, declined] = [
      zerosLike(weights),
      like(weights, randomFloats),
      like(weights, randomFloats),
    ];
    const before = like(weights, randomFloats);
    backward(cpuDense, weights, fresh, x, dy);
    backward(cpuDense, weights, added, x, dy);
    expect(backward(cpuDense, weights, declined, x, dy, { inputGradient: false })).toBeNull();
    expect(declined).toEqual(added);
    for (const [name, { data }] of Object.entries(added)) {
      const expected = fresh[name]!.data.map((value, i) => value + before[name]!.data[i]!);
      expect(data).toBeNear(expected, 1e-6, name);
    }
  });

  it('refuses gradients and shapes that do not fit, and leaves all gradients alone', () => {
    const weights = make(5, 7, 2);
    const [x, dy] = [matrix(3, 5, 21), matrix(3, 2, 22)];
    const gradients = zerosLike(weights);
    const call = (own: DenseWeights<Float32Array>, input: typeof x, upstream: typeof dy) => () =>
      backward(cpuDense, weights, own, input, upstream);
    const missing = Object.fromEntries(Object.entries(gradients).filter(([name]) => name !== 'fc1.bias'));
    expect(call(missing, x, dy)).toThrow(
      expect.objectContaining({ code: 'missing-tensor', message: expect.stringContaining('fc1.bias') }),
    );
    const reshaped = { ...gradients, 'fc1.bias': { shape: [6], data: new Float32Array(6) } };
    expect(call(reshaped, x, dy)).toThrow(/fc1.bias is \[7\], its gradient \[6\]/);
    const short = { ...gradients, 'fc1.bias': { shape: [7], data: new Float32Array(6) } };
    expect(call(short, x, dy)).toThrow(/fc1.bias holds 6 values; 7/);
    expect(call(gradients, matrix(3, 4, 1), dy)).toThrow(expect.objectContaining({ code: 'bad-shape' }));
    expect(call(gradients, x, matrix(3, 3, 1))).toThrow(expect.objectContaining({ code: 'bad-shape' }));
    expect(gradients).toEqual(zerosLike(weights));
  });
});

const HEADS = [
  { folder: 'libero-l1', prefix: 'model.', kind: 'l1' },
  { folder: 'siglip-only-l1', prefix: 'model.', kind: 'l1' },
  { folder: 'aloha-film-l1', prefix: 'model.', kind: 'l1' },
  { folder: 'libero-diffusion', prefix: 'noise_predictor.mlp_resnet.', kind: 'mse' },
] as const;

describe('upstream’s heads in training, twin', () => {
  it.each(HEADS)('$folder: loss and gradients of the first step', async ({ folder, prefix, kind }) => {
    const train = await loadSafetensors(`tests/golden/${folder}/train.safetensors`);
    const module = await loadModule(`tests/golden/${folder}/action_head.safetensors`);
    const meta = await loadJson<{ train: { variants: { cold: { losses: number[] } } } }>(
      `tests/golden/${folder}/meta.json`,
    );
    const { f32: data, shape } = train('fwd/action_head/in');
    const columns = shape.at(-1)!;
    const x = { data, rows: data.length / columns, columns };
    const weights = withoutPrefix(module, prefix);
    const predicted = mlpResNet(cpuDense, weights, x);
    const target = train(folder === 'libero-diffusion' ? 'diffusion/step0/noise' : 'batch/actions').f32;

    const value = new Float32Array(1);
    const dy = regressionLoss(kind, predicted.data, target, 1, value);
    expect(value).toBeNear([meta.train.variants.cold.losses[0]!], 1e-5, 'loss');
    const gradients = zerosLike(weights);
    mlpResNetBackward(cpuDense, weights, gradients, x, { ...predicted, data: dy });
    for (const [name, gradient] of Object.entries(gradients)) {
      const expected = train(`grad/action_head.${prefix}${name}`).f32;
      const largest = expected.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
      // Far inside the goldens' 1e-3 of the largest: the head's input is upstream's own.
      expect(gradient.data).toBeNear(expected, 1e-5 * largest, name);
    }
  });
});

describeGpu('mlp backward', (device) => {
  it.each(
    CASES.flatMap((c) => [
      { ...c, sizes: [3, 5, 7, 2] as const },
      { ...c, sizes: [9, 33, 65, 31] as const },
      // Proprio or an L1 head with a hidden size of 512.
      { ...c, sizes: [8, c.title === 'mlp2' ? 8 : 3584, 512, 7] as const },
    ]),
  )('$title $sizes equals its twin', async ({ backward, weights: make, sizes }) => {
    const [rows, input, hidden, output] = sizes;
    const weights = make(input, hidden, output);
    const [x, dy] = [matrix(rows, input, 21), matrix(rows, output, 22)];
    const names = Object.keys(weights);
    const [dx, ...actual] = await floatsOf(device, (run) => {
      const upload = (tensors: Weights): DenseWeights<GPUBuffer> =>
        Object.fromEntries(
          Object.entries(tensors).map(([name, { shape, data }]) => [name, { shape, data: run.upload(data) }]),
        );
      const gradients = upload(like(weights, randomFloats));
      const result = backward(
        gpuDense(run),
        upload(weights),
        gradients,
        { ...x, data: run.upload(x.data) },
        { ...dy, data: run.upload(dy.data) },
      )!;
      return [
        [result.data, rows * input],
        ...names.map((name) => [gradients[name]!.data, weights[name]!.data.length] as const),
      ];
    });
    const gradients = like(weights, randomFloats);
    const expected = backward(cpuDense, weights, gradients, x, dy)!;
    expect(dx).toBeNear(expected.data, TOLERANCE, 'dx');
    for (const [i, name] of names.entries())
      expect(actual[i]).toBeNear(gradients[name]!.data, TOLERANCE, name);
  });

  it('declines dx', async () => {
    for (const { backward, weights: make } of CASES) {
      const weights = make(5, 7, 2);
      await floatsOf(device, (run) => {
        const upload = (tensors: Weights): DenseWeights<GPUBuffer> =>
          Object.fromEntries(
            Object.entries(tensors).map(([name, { shape, data }]) => [
              name,
              { shape, data: run.upload(data) },
            ]),
          );
        const x = { ...matrix(3, 5, 21), data: run.upload(randomFloats(15, 21)) };
        const dy = { ...matrix(3, 2, 22), data: run.upload(randomFloats(6, 22)) };
        const options = { inputGradient: false };
        expect(
          backward(gpuDense(run), upload(weights), upload(zerosLike(weights)), x, dy, options),
        ).toBeNull();
        return [];
      });
    }
  });
});
