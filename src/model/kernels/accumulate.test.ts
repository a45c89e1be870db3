import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf } from '../../../tests/setup/kernels.ts';
import { accumulate as accumulateCpu } from './accumulate.cpu.ts';
import { accumulate } from './accumulate.ts';
import { GpuRun } from './gpu-run.ts';

/** One product and one sum of values in -1…1, in f32. */
const TOLERANCE = 3e-7;

describe('accumulate twin', () => {
  it('adds a multiple to a range and leaves the rest', () => {
    const target = Float32Array.of(1, 2, 3, 4, 5);
    accumulateCpu(target, 1, Float32Array.of(10, 20, 30), 2, 0.5);
    expect([...target]).toEqual([1, 7, 13, 4, 5]);
  });

  it('refuses a range outside of the target and too short a source, and changes nothing', () => {
    const target = Float32Array.of(1, 2, 3);
    const call = (offset: number, count: number) => () =>
      accumulateCpu(target, offset, new Float32Array(3).fill(1), count, 1);
    expect(call(1, 3)).toThrow(expect.objectContaining({ code: 'bad-shape' }));
    expect(call(-1, 2)).toThrow(/2 values from -1/);
    expect(call(0.5, 1)).toThrow(/1 values from 0.5/);
    expect(() => accumulateCpu(target, 0, new Float32Array(2), 3, 1)).toThrow(/holds 2 values; 3/);
    expect([...target]).toEqual([1, 2, 3]);
  });
});

describeGpu('accumulate', (device) => {
  it.each([
    [1, 0, 1],
    [257, 3, 1],
    [1000, 128, 700],
    [1000, 999, 1],
    [1000, 0, 1000],
  ])('%i floats, from %i, %i of them', async (length, offset, count) => {
    const [target, source] = [randomFloats(length, 1), randomFloats(count, 2)];
    const [actual] = await floatsOf(device, (run) => {
      const sums = run.upload(target);
      accumulate(run, sums, offset, run.upload(source), count, 0.5);
      return [[sums, length]];
    });
    accumulateCpu(target, offset, source, count, 0.5);
    expect(actual).toBeNear(target, TOLERANCE);
  });

  it('more floats than workgroups fit along one side', async () => {
    const count = 65_535 * 256 + 300;
    const [target, source] = [new Float32Array(count + 7), new Float32Array(count).fill(2)];
    source.set(randomFloats(1000, 1), count - 1000);
    const [actual] = await floatsOf(device, (run) => {
      const sums = run.temporary(target.byteLength);
      accumulate(run, sums, 7, run.upload(source), count, 0.5);
      return [[sums, target.length]];
    });
    accumulateCpu(target, 7, source, count, 0.5);
    expect(actual).toBeNear(target, TOLERANCE);
  });

  it('refuses a range outside of the target', () => {
    const run = new GpuRun(device, 'refusal test');
    const [target, source] = [run.temporary(64), run.temporary(64)];
    expect(() => accumulate(run, target, 9, source, 8, 1)).toThrow(/8 values from 9 do not lie .* 16/);
    run.discard();
  });
});
