import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf, numericGradient } from '../../../tests/setup/kernels.ts';
import type { Matrix } from './dense.ts';
import { GpuRun, uploadStorageBuffer } from './gpu-run.ts';
import { linearBackward as linearBackwardCpu } from './linear-backward.cpu.ts';
import { linearBackward } from './linear-backward.ts';

// x [rows, depth] through W [columns, depth]: rows on both sides of every tile choice, sizes that are no multiple of a
// tile, more rows than a strip of the twin keeps whole, and a wide head's width.
const SHAPES = [
  [1, 1, 1],
  [1, 8, 20],
  [4, 33, 31],
  [5, 31, 33],
  [8, 140, 20],
  [9, 17, 65],
  [33, 100, 7],
  [56, 1, 32],
  [600, 70, 5],
] as const;
const WIDE = [8, 28672, 33] as const;

/** As in linear.test.ts: sums of `terms` products of values in -1…1, in f32. */
const tolerance = (terms: number): number => 2e-6 * Math.max(1, Math.sqrt(terms));

const matrix = (rows: number, columns: number, seed: number): Matrix<Float32Array> => ({
  data: randomFloats(rows * columns, seed),
  rows,
  columns,
});

/** A third of dy is zero, as behind a ReLU; the gradients hold something already. */
function operands([rows, depth, columns]: readonly [number, number, number]) {
  const dy = matrix(rows, columns, 3);
  return {
    x: matrix(rows, depth, 1),
    weight: matrix(columns, depth, 2),
    dy: { ...dy, data: dy.data.map((value, i) => (i % 3 === 0 ? 0 : value)) },
    before: { weight: randomFloats(columns * depth, 4), bias: randomFloats(columns, 5) },
  };
}

const copyOf = (before: { weight: Float32Array; bias: Float32Array }) => ({
  weight: before.weight.slice(),
  bias: before.bias.slice(),
});

describe('linear-backward twin', () => {
  it.each(SHAPES)('%i x %i -> %i is the formula in float64', (...shape) => {
    const [rows, depth, columns] = shape;
    const { x, weight, dy, before } = operands(shape);
    const gradients = copyOf(before);
    const dx = linearBackwardCpu(x, weight, dy, gradients)!;
    const expected = {
      dx: new Float64Array(rows * depth),
      weight: Float64Array.from(before.weight),
      bias: Float64Array.from(before.bias),
    };
    for (let m = 0; m < rows; m++) {
      for (let n = 0; n < columns; n++) {
        const d = dy.data[m * columns + n]!;
        expected.bias[n]! += d;
        for (let k = 0; k < depth; k++) {
          expected.dx[m * depth + k]! += d * weight.data[n * depth + k]!;
          expected.weight[n * depth + k]! += d * x.data[m * depth + k]!;
        }
      }
    }
    expect(dx).toMatchObject({ rows, columns: depth });
    expect(dx.data).toBeNear(expected.dx, 1e-6 * Math.sqrt(columns), 'dx');
    expect(gradients.weight).toBeNear(expected.weight, 1e-6 * Math.sqrt(rows), 'dW');
    expect(gradients.bias).toBeNear(expected.bias, 1e-6 * Math.sqrt(rows), 'db');
  });

  it('is the gradient of Σ dy · (x Wᵀ + b)', () => {
    const [rows, depth, columns] = [3, 5, 4];
    const { x, weight, dy } = operands([rows, depth, columns]);
    const bias = randomFloats(columns, 6);
    const loss = (xs: ArrayLike<number>, ws: ArrayLike<number>, bs: ArrayLike<number>): number => {
      let sum = 0;
      for (let m = 0; m < rows; m++) {
        for (let n = 0; n < columns; n++) {
          let y = bs[n]!;
          for (let k = 0; k < depth; k++) y += xs[m * depth + k]! * ws[n * depth + k]!;
          sum += dy.data[m * columns + n]! * y;
        }
      }
      return sum;
    };
    const gradients = { weight: new Float32Array(columns * depth), bias: new Float32Array(columns) };
    const dx = linearBackwardCpu(x, weight, dy, gradients)!;
    expect(dx.data).toBeNear(
      numericGradient((xs) => loss(xs, weight.data, bias), x.data),
      1e-6,
      'dx',
    );
    expect(gradients.weight).toBeNear(
      numericGradient((ws) => loss(x.data, ws, bias), weight.data),
      1e-6,
      'dW',
    );
    expect(gradients.bias).toBeNear(
      numericGradient((bs) => loss(x.data, weight.data, bs), bias),
      1e-6,
      'db',
    );
  });

  it('leaves out dx where it is declined, and adds the same gradients', () => {
    const { x, weight, dy, before } = operands([5, 31, 33]);
    const [all, some] = [copyOf(before), copyOf(before)];
    linearBackwardCpu(x, weight, dy, all);
    expect(linearBackwardCpu(x, weight, dy, some, { inputGradient: false })).toBeNull();
    expect(some).toEqual(all);
  });

  it('refuses operands that do not fit and leaves the gradients alone', () => {
    const { x, weight, dy, before } = operands([4, 33, 31]);
    const gradients = copyOf(before);
    const narrow = { ...dy, columns: 30 };
    expect(() => linearBackwardCpu(x, weight, narrow, gradients)).toThrow(/the gradient is \[4, 30\]/);
    const short = { ...gradients, bias: new Float32Array(30) };
    expect(() => linearBackwardCpu(x, weight, dy, short)).toThrow(
      expect.objectContaining({ code: 'bad-shape', message: expect.stringContaining('holds 30 values; 31') }),
    );
    expect(gradients).toEqual(before);
  });
});

describeGpu('linear-backward', (device) => {
  it.each([...SHAPES, WIDE])('%i x %i -> %i', async (...shape) => {
    const [rows, depth, columns] = shape;
    const { x, weight, dy, before } = operands(shape);
    const [dx, dWeight, dBias] = await floatsOf(device, (run) => {
      const upload = (m: Matrix<Float32Array>): Matrix<GPUBuffer> => ({ ...m, data: run.upload(m.data) });
      const gradients = { weight: run.upload(before.weight), bias: run.upload(before.bias) };
      const { data } = linearBackward(run, upload(x), upload(weight), upload(dy), gradients)!;
      return [
        [data, rows * depth],
        [gradients.weight, columns * depth],
        [gradients.bias, columns],
      ];
    });
    const gradients = copyOf(before);
    const expected = linearBackwardCpu(x, weight, dy, gradients)!;
    expect(dx).toBeNear(expected.data, tolerance(columns), 'dx');
    expect(dWeight).toBeNear(gradients.weight, tolerance(rows), 'dW');
    expect(dBias).toBeNear(gradients.bias, tolerance(rows), 'db');
  });

  it('leaves out dx where it is declined', async () => {
    const { x, weight, dy, before } = operands([5, 31, 33]);
    const [dWeight] = await floatsOf(device, (run) => {
      const upload = (m: Matrix<Float32Array>): Matrix<GPUBuffer> => ({ ...m, data: run.upload(m.data) });
      const gradients = { weight: run.upload(before.weight), bias: run.upload(before.bias) };
      const options = { inputGradient: false };
      expect(linearBackward(run, upload(x), upload(weight), upload(dy), gradients, options)).toBeNull();
      return [[gradients.weight, 31 * 33]];
    });
    const gradients = copyOf(before);
    linearBackwardCpu(x, weight, dy, gradients);
    expect(dWeight).toBeNear(gradients.weight, tolerance(5), 'dW');
  });

  it('refuses a gradient buffer that is too small before recording anything', () => {
    const run = new GpuRun(device, 'refusal test');
    const small = uploadStorageBuffer(device, new Float32Array(4), 'small');
    const one = { data: small, rows: 1, columns: 1 };
    const wide = { data: small, rows: 9, columns: 1 };
    const gradients = { weight: small, bias: small };
    expect(() => linearBackward(run, one, wide, { ...one, columns: 9 }, gradients)).toThrow(
      expect.objectContaining({ code: 'bad-shape' }),
    );
    run.discard();
    small.destroy();
  });
});
