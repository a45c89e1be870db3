/** The three losses against their twins, and the twins against formulas and gradients of their own. */
import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf, numericGradient } from '../../../tests/setup/kernels.ts';
import { crossEntropy as crossEntropyCpu } from './cross-entropy.cpu.ts';
import { crossEntropy } from './cross-entropy.ts';
import { regressionLoss as regressionLossCpu } from './regression-loss.cpu.ts';
import { regressionLoss } from './regression-loss.ts';

const REGRESSION = [
  { kind: 'l1', formula: Math.abs },
  { kind: 'mse', formula: (d: number) => d * d },
] as const;
// One value, fewer and more than a workgroup's threads, a batch of eight ALOHA chunks.
const COUNTS = [1, 255, 257, 8 * 350];

// One class, fewer and more than a workgroup's threads, the rows of a LIBERO chunk, the real vocabulary.
const LOGITS = [
  [1, 1],
  [3, 7],
  [2, 257],
  [57, 300],
  [5, 32064],
] as const;

/** What the loss held before, and one over the micro-batches of a step. */
const BEFORE = 0.75;
const FACTOR = 1 / 3;

const regressionOperands = (count: number) => [randomFloats(count, 1), randomFloats(count, 2)] as const;

/** Logits between -20 and 20 around 1000, where exp overflows unless the maximum is subtracted. */
function logitsOf(rows: number, columns: number) {
  const data = randomFloats(rows * columns, 3).map((value) => value * 20 + 1000);
  const targets = Array.from({ length: rows }, (_, row) => (row * 7919 + columns - 1) % columns);
  return { logits: { data, rows, columns }, targets };
}

describe.each(REGRESSION)('$kind twin', ({ kind, formula }) => {
  it('is the mean times the factor, added, and its gradient', () => {
    const [prediction, target] = regressionOperands(99);
    const loss = Float32Array.of(BEFORE);
    const gradient = regressionLossCpu(kind, prediction, target, FACTOR, loss);
    const mean = (values: Float64Array): number =>
      (FACTOR * values.reduce((sum, value, i) => sum + formula(value - target[i]!), 0)) / 99;
    expect(loss).toBeNear([BEFORE + mean(Float64Array.from(prediction))], 1e-7, 'loss');
    expect(gradient).toBeNear(numericGradient(mean, prediction), 1e-8, 'gradient');
  });

  it('has no gradient where both are equal', () => {
    const same = Float32Array.of(0.5, -1, 0);
    expect(regressionLossCpu(kind, same, same, 1, new Float32Array(1))).toBeNear([0, 0, 0], 0);
  });

  it('refuses targets of another length', () => {
    const loss = Float32Array.of(BEFORE);
    expect(() => regressionLossCpu(kind, new Float32Array(3), new Float32Array(2), 1, loss)).toThrow(
      /2 values; 3 were/,
    );
    expect([...loss], kind).toEqual([BEFORE]);
  });
});

describe('cross-entropy twin', () => {
  it('is the mean of -log softmax times the factor, added, and its gradient', () => {
    const { logits, targets } = logitsOf(3, 7);
    const loss = Float32Array.of(BEFORE);
    const gradient = crossEntropyCpu(logits, targets, FACTOR, loss);
    const mean = (values: Float64Array): number => {
      const rows = targets.map((target, row) => {
        const powers = values.subarray(row * 7, row * 7 + 7).map((value) => Math.exp(value - 1000));
        return -Math.log(powers[target]! / powers.reduce((a, b) => a + b));
      });
      return (FACTOR * rows.reduce((a, b) => a + b)) / 3;
    };
    expect(loss).toBeNear([BEFORE + mean(Float64Array.from(logits.data))], 1e-6, 'loss');
    // At 1000 a step of 1e-5 leaves about eight digits.
    expect(gradient.data).toBeNear(numericGradient(mean, logits.data), 1e-7, 'gradient');
  });

  it('is log V for equal logits, and certain ones cost nothing', () => {
    const flat = { data: new Float32Array(8), rows: 2, columns: 4 };
    const loss = new Float32Array(1);
    const { data } = crossEntropyCpu(flat, [0, 3], 1, loss);
    expect(loss).toBeNear([Math.log(4)], 1e-7);
    expect(data).toBeNear([-0.375, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375], 1e-7);
    const sure = { data: Float32Array.of(0, 1e4, 0), rows: 1, columns: 3 };
    const nothing = new Float32Array(1);
    expect(crossEntropyCpu(sure, [1], 1, nothing).data).toBeNear([0, 0, 0], 0);
    expect(nothing[0]).toBe(0);
  });

  it('writes the gradient where it is told to, the logits’ own array included', () => {
    const { logits, targets } = logitsOf(5, 33);
    const expected = crossEntropyCpu(logits, targets, 1, new Float32Array(1)).data;
    const own = { ...logits, data: logits.data.slice() };
    expect(crossEntropyCpu(own, targets, 1, new Float32Array(1), own.data).data).toBe(own.data);
    expect(own.data).toEqual(expected);
  });

  it('refuses targets that are no classes, and another number of them', () => {
    const { logits } = logitsOf(3, 7);
    const loss = Float32Array.of(BEFORE);
    expect(() => crossEntropyCpu(logits, [0, 7, 1], 1, loss)).toThrow(
      expect.objectContaining({
        code: 'bad-input',
        message: expect.stringContaining('Target 1 is class 7; the logits have classes 0 to 6'),
      }),
    );
    expect(() => crossEntropyCpu(logits, [0, -100, 1], 1, loss)).toThrow(/class -100/);
    expect(() => crossEntropyCpu(logits, [0, 1], 1, loss)).toThrow(/2 targets for 3 rows/);
    expect([...loss]).toEqual([BEFORE]);
  });
});

describeGpu('losses', (device) => {
  it.each(COUNTS)('l1 and mse of %i values', async (count) => {
    const [prediction, target] = regressionOperands(count);
    // Some are equal, where the gradient is 0.
    for (let i = 0; i < count; i += 5) target[i] = prediction[i]!;
    for (const { kind } of REGRESSION) {
      const [gradient, loss] = await floatsOf(device, (run) => {
        const sum = run.upload(Float32Array.of(BEFORE));
        const result = regressionLoss(
          run,
          kind,
          run.upload(prediction),
          run.upload(target),
          count,
          FACTOR,
          sum,
        );
        return [
          [result, count],
          [sum, 1],
        ];
      });
      const expected = Float32Array.of(BEFORE);
      expect(gradient).toBeNear(
        regressionLossCpu(kind, prediction, target, FACTOR, expected),
        1e-6 / count,
        `${kind} gradient`,
      );
      expect(loss).toBeNear(expected, 1e-6, `${kind} loss`);
    }
  });

  it.each(LOGITS)('cross-entropy of %i x %i', async (rows, columns) => {
    const { logits, targets } = logitsOf(rows, columns);
    const [gradient, loss] = await floatsOf(device, (run) => {
      const sum = run.upload(Float32Array.of(BEFORE));
      const operand = { ...logits, data: run.upload(logits.data) };
      const result = crossEntropy(run, operand, targets, FACTOR, sum);
      return [
        [result.data, rows * columns],
        [sum, 1],
      ];
    });
    const expected = Float32Array.of(BEFORE);
    const twin = crossEntropyCpu(logits, targets, FACTOR, expected);
    expect(gradient).toBeNear(twin.data, 1e-6 / rows, 'gradient');
    // The largest row's loss is about 50, in f32.
    expect(loss).toBeNear(expected, 1e-5, 'loss');
  });

  it('cross-entropy fills a given buffer', async () => {
    const { logits, targets } = logitsOf(3, 7);
    const [gradient] = await floatsOf(device, (run) => {
      const output = run.temporary(21 * 4);
      const operand = { ...logits, data: run.upload(logits.data) };
      const result = crossEntropy(run, operand, targets, 1, run.temporary(4), output);
      expect(result.data).toBe(output);
      return [[output, 21]];
    });
    const expected = crossEntropyCpu(logits, targets, 1, new Float32Array(1)).data;
    expect(gradient).toBeNear(expected, 1e-6);
  });
});
