import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf } from '../../../tests/setup/kernels.ts';
import { clipFactor as clipFactorCpu, gradNorm as gradNormCpu } from './grad-norm.cpu.ts';
import { clipFactor, gradNorm } from './grad-norm.ts';

describe('grad-norm twin', () => {
  it('is the L2 norm', () => {
    expect(gradNormCpu(Float32Array.of(3, -4))).toBe(5);
    expect(gradNormCpu(new Float32Array(0))).toBe(0);
    // Squares that f32 could not hold.
    expect(gradNormCpu(Float32Array.of(3e25, 4e25)) / 5e25).toBeCloseTo(1, 6);
  });

  it('clips as torch.nn.utils.clip_grad_norm_', () => {
    expect(clipFactorCpu(0.5, 1)).toBe(1);
    expect(clipFactorCpu(0, 1)).toBe(1);
    expect(clipFactorCpu(4, 1)).toBeCloseTo(1 / 4.000001, 12);
    // Just below the limit 1e-6 counts: 1 / (1 + 1e-6) < 1.
    expect(clipFactorCpu(1, 1)).toBeLessThan(1);
  });
});

describeGpu('grad-norm', (device) => {
  const COUNTS = [1, 255, 1025, 1_100_003];

  it.each(COUNTS)('of %i values, added', async (count) => {
    const gradient = randomFloats(count, 1);
    const squared = async (): Promise<number> => {
      const [squares] = await floatsOf(device, (run) => {
        const sum = run.upload(Float32Array.of(2));
        gradNorm(run, run.upload(gradient), count, sum);
        return [[sum, 1]];
      });
      return squares![0]!;
    };
    const first = await squared();
    const expected = gradNormCpu(gradient) ** 2 + 2;
    expect(Math.abs(first - expected) / expected).toBeLessThan(2e-6);
    expect(await squared()).toBe(first);
  });

  it('leaves out what lies behind the range, and adds ranges up', async () => {
    const gradient = randomFloats(5000, 2);
    const [squares] = await floatsOf(device, (run) => {
      const [buffer, sum] = [run.upload(gradient), run.temporary(4)];
      gradNorm(run, buffer, 3001, sum);
      gradNorm(run, buffer, 7, sum);
      return [[sum, 1]];
    });
    const norms = [gradient.subarray(0, 3001), gradient.subarray(0, 7)].map(gradNormCpu);
    const expected = norms[0]! ** 2 + norms[1]! ** 2;
    expect(Math.abs(squares![0]! - expected) / expected).toBeLessThan(2e-6);
  });

  it.each([
    [0, 1],
    [0.25, 1],
    [1, 1],
    [16, 1],
    [9e8, 0.5],
  ])('clip factor of %f against %f', async (squares, maxNorm) => {
    const [factor] = await floatsOf(device, (run) => [
      [clipFactor(run, run.upload(Float32Array.of(squares)), maxNorm), 1],
    ]);
    const expected = clipFactorCpu(Math.sqrt(squares), maxNorm);
    expect(Math.abs(factor![0]! - expected) / expected).toBeLessThan(1e-6);
  });
});
