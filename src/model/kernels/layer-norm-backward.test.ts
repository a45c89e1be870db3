import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf, numericGradient } from '../../../tests/setup/kernels.ts';
import type { Matrix } from './dense.ts';
import { layerNormBackward as layerNormBackwardCpu } from './layer-norm-backward.cpu.ts';
import { layerNormBackward } from './layer-norm-backward.ts';

// As in layer-norm.test.ts: one element, fewer and more than a workgroup's threads, a real head's width.
const SHAPES = [
  [1, 1],
  [1, 20],
  [3, 255],
  [2, 257],
  [8, 140],
  [8, 28672],
] as const;

/**
 * The mean near 10 is known to 1e-6 in f32 at best, and x̂, of which gradients are products, to a few times that. The
 * gradients of weights are sums over at most eight rows.
 */
const TOLERANCE = 1e-5;

function operands(rows: number, columns: number) {
  const matrix = (seed: number): Matrix<Float32Array> => ({
    data: randomFloats(rows * columns, seed),
    rows,
    columns,
  });
  const x = matrix(1);
  return {
    x: { ...x, data: x.data.map((value) => value + 10) },
    weight: randomFloats(columns, 2),
    dy: matrix(3),
    residual: matrix(4),
    before: { weight: randomFloats(columns, 5), bias: randomFloats(columns, 6) },
  };
}

describe('layer-norm-backward twin', () => {
  it.each([
    [3, 7, 1e-5],
    [1, 5, 1e-5],
    [2, 9, 0.5],
    [1, 1, 1e-5],
  ])('%i x %i, epsilon %f is the gradient of Σ dy · y', (rows, columns, epsilon) => {
    const { x, weight, dy } = operands(rows, columns);
    const bias = randomFloats(columns, 7);
    const loss = (xs: ArrayLike<number>, ws: ArrayLike<number>, bs: ArrayLike<number>): number => {
      let sum = 0;
      for (let row = 0; row < rows; row++) {
        const values = Array.from({ length: columns }, (_, i) => xs[row * columns + i]!);
        const mean = values.reduce((a, b) => a + b) / columns;
        const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / columns;
        for (const [i, value] of values.entries()) {
          const y = ((value - mean) / Math.sqrt(variance + epsilon)) * ws[i]! + bs[i]!;
          sum += dy.data[row * columns + i]! * y;
        }
      }
      return sum;
    };
    const gradients = { weight: new Float32Array(columns), bias: new Float32Array(columns) };
    const dx = layerNormBackwardCpu(x, weight, dy, gradients, { epsilon })!;
    const numeric = {
      dx: numericGradient((xs) => loss(xs, weight, bias), x.data),
      weight: numericGradient((ws) => loss(x.data, ws, bias), weight),
      bias: numericGradient((bs) => loss(x.data, weight, bs), bias),
    };
    expect(dx.data).toBeNear(numeric.dx, 2e-6, 'dx');
    expect(gradients.weight).toBeNear(numeric.weight, 2e-6, 'dweight');
    expect(gradients.bias).toBeNear(numeric.bias, 2e-6, 'dbias');
  });

  it('adds to the gradients, and the residual to dx', () => {
    const { x, weight, dy, residual, before } = operands(3, 20);
    const fresh = { weight: new Float32Array(20), bias: new Float32Array(20) };
    const added = { weight: before.weight.slice(), bias: before.bias.slice() };
    const plain = layerNormBackwardCpu(x, weight, dy, fresh)!.data;
    const summed = layerNormBackwardCpu(x, weight, dy, added, { residual })!.data;
    expect(summed).toBeNear(
      plain.map((value, i) => value + residual.data[i]!),
      1e-6,
    );
    expect(added.weight).toBeNear(
      fresh.weight.map((value, i) => value + before.weight[i]!),
      1e-6,
    );
    expect(added.bias).toBeNear(
      fresh.bias.map((value, i) => value + before.bias[i]!),
      1e-6,
    );
    const declined = { weight: before.weight.slice(), bias: before.bias.slice() };
    expect(layerNormBackwardCpu(x, weight, dy, declined, { inputGradient: false })).toBeNull();
    expect(declined).toEqual(added);
  });

  it('refuses operands that do not fit and leaves the gradients alone', () => {
    const { x, weight, dy, before } = operands(3, 20);
    const gradients = { weight: before.weight.slice(), bias: before.bias.slice() };
    expect(() => layerNormBackwardCpu(x, weight, { ...dy, rows: 2 }, gradients)).toThrow(
      /the gradient is \[2, 20\]/,
    );
    expect(() => layerNormBackwardCpu(x, new Float32Array(19), dy, gradients)).toThrow(/19 values; 20/);
    expect(gradients).toEqual(before);
  });
});

describeGpu('layer-norm-backward', (device) => {
  it.each(SHAPES)('%i x %i', async (rows, columns) => {
    const { x, weight, dy, residual, before } = operands(rows, columns);
    for (const withResidual of [false, true]) {
      const [dx, dWeight, dBias] = await floatsOf(device, (run) => {
        const upload = (m: Matrix<Float32Array>): Matrix<GPUBuffer> => ({ ...m, data: run.upload(m.data) });
        const gradients = { weight: run.upload(before.weight), bias: run.upload(before.bias) };
        const options = withResidual ? { residual: upload(residual) } : {};
        const result = layerNormBackward(run, upload(x), run.upload(weight), upload(dy), gradients, options)!;
        return [
          [result.data, rows * columns],
          [gradients.weight, columns],
          [gradients.bias, columns],
        ];
      });
      const gradients = { weight: before.weight.slice(), bias: before.bias.slice() };
      const options = withResidual ? { residual } : {};
      const expected = layerNormBackwardCpu(x, weight, dy, gradients, options)!;
      expect(dx).toBeNear(expected.data, TOLERANCE, 'dx');
      expect(dWeight).toBeNear(gradients.weight, TOLERANCE, 'dweight');
      expect(dBias).toBeNear(gradients.bias, TOLERANCE, 'dbias');
    }
  });

  it('leaves out dx where it is declined', async () => {
    const { x, weight, dy, before } = operands(3, 255);
    const [dWeight, dBias] = await floatsOf(device, (run) => {
      const upload = (m: Matrix<Float32Array>): Matrix<GPUBuffer> => ({ ...m, data: run.upload(m.data) });
      const gradients = { weight: run.upload(before.weight), bias: run.upload(before.bias) };
      const options = { inputGradient: false };
      expect(
        layerNormBackward(run, upload(x), run.upload(weight), upload(dy), gradients, options),
      ).toBeNull();
      return [
        [gradients.weight, 255],
        [gradients.bias, 255],
      ];
    });
    const gradients = { weight: before.weight.slice(), bias: before.bias.slice() };
    layerNormBackwardCpu(x, weight, dy, gradients);
    expect(dWeight).toBeNear(gradients.weight, TOLERANCE, 'dweight');
    expect(dBias).toBeNear(gradients.bias, TOLERANCE, 'dbias');
  });
});
