import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu, withoutGpuErrors } from '../../../tests/setup/gpu.ts';
import { GpuRun, readBuffer } from './gpu-run.ts';
import { layerNorm as layerNormCpu } from './layer-norm.cpu.ts';
import { layerNorm } from './layer-norm.ts';

// One element, fewer and more than a workgroup's threads, a real head's width, more rows than one.
const SHAPES = [
  [1, 1],
  [1, 20],
  [3, 255],
  [2, 257],
  [8, 140],
  [8, 28672],
] as const;

/** The mean near 100 is known to 1e-5 in f32 at best; it is divided by a deviation of about 0.58. */
const TOLERANCE = 3.5e-5;

/** Values around 100, where E[x²] - E[x]² in f32 would fail. */
function operands(rows: number, columns: number) {
  const data = randomFloats(rows * columns, 1).map((value) => value + 100);
  return {
    x: { data, rows, columns },
    weight: randomFloats(columns, 2),
    bias: randomFloats(columns, 3),
  };
}

describe('layer-norm twin', () => {
  it('is the formula in float64', () => {
    for (const [rows, columns] of SHAPES) {
      const { x, weight, bias } = operands(rows, columns);
      const expected = Array.from({ length: rows }, (_, row) => {
        const values = [...x.data.subarray(row * columns, (row + 1) * columns)];
        const mean = values.reduce((a, b) => a + b) / columns;
        const variance = values.map((value) => (value - mean) ** 2).reduce((a, b) => a + b) / columns;
        return values.map(
          (value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i]! + bias[i]!,
        );
      });
      expect(layerNormCpu(x, weight, bias).data).toBeNear(expected.flat(), 1e-6, `${rows} x ${columns}`);
    }
  });

  it('takes another epsilon', () => {
    const x = { data: Float32Array.of(-1, 1), rows: 1, columns: 2 };
    const { data } = layerNormCpu(x, Float32Array.of(1, 1), Float32Array.of(0, 0), { epsilon: 3 });
    expect([...data]).toEqual([-0.5, 0.5]);
  });
});

describeGpu('layer-norm', (device) => {
  it.each(SHAPES)('%i x %i', async (rows, columns) => {
    const { x, weight, bias } = operands(rows, columns);
    const actual = await withoutGpuErrors(device, async () => {
      const run = new GpuRun(device, 'layer-norm test');
      const { data } = layerNorm(
        run,
        { ...x, data: run.upload(x.data) },
        run.upload(weight),
        run.upload(bias),
      );
      run.keep(data);
      run.submit();
      const values = new Float32Array(await readBuffer(device, data, rows * columns * 4));
      data.destroy();
      return values;
    });
    expect(actual).toBeNear(layerNormCpu(x, weight, bias).data, TOLERANCE, `${rows} x ${columns}`);
  });
});
