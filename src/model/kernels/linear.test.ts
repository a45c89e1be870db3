import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu, withoutGpuErrors } from '../../../tests/setup/gpu.ts';
import { ModelError } from '../errors.ts';
import type { Activation, Matrix } from './dense.ts';
import { erf, gelu } from './gelu.ts';
import { GpuRun, readBuffer, uploadStorageBuffer } from './gpu-run.ts';
import { linear as linearCpu } from './linear.cpu.ts';
import { linear } from './linear.ts';

interface Case {
  rows: number;
  depth: number;
  columns: number;
  activation: Activation;
  bias: boolean;
  residual: boolean;
}

// Rows on both sides of every tile choice, sizes that are no multiple of a tile, and real ones: a wide head
// (8 x 28672, fewer columns than 4096 for the software adapter's sake), patches through a projector.
const CASES: Case[] = [
  { rows: 1, depth: 1, columns: 1, activation: 'none', bias: false, residual: false },
  { rows: 1, depth: 8, columns: 20, activation: 'gelu', bias: true, residual: false },
  { rows: 4, depth: 33, columns: 31, activation: 'relu', bias: true, residual: true },
  { rows: 5, depth: 31, columns: 33, activation: 'none', bias: true, residual: false },
  { rows: 8, depth: 140, columns: 20, activation: 'relu', bias: true, residual: true },
  { rows: 9, depth: 17, columns: 65, activation: 'gelu', bias: false, residual: true },
  { rows: 33, depth: 100, columns: 7, activation: 'none', bias: true, residual: true },
  { rows: 56, depth: 1, columns: 32, activation: 'gelu', bias: true, residual: false },
  { rows: 8, depth: 28672, columns: 96, activation: 'relu', bias: true, residual: false },
  { rows: 350, depth: 512, columns: 128, activation: 'gelu', bias: true, residual: false },
];

/** Sums of `depth` products of values in -1…1, in f32: rounding grows as the root of their number. */
const tolerance = (depth: number): number => 2e-6 * Math.max(1, Math.sqrt(depth));

const matrix = (rows: number, columns: number, seed: number): Matrix<Float32Array> => ({
  data: randomFloats(rows * columns, seed),
  rows,
  columns,
});

function operands(c: Case) {
  return {
    x: matrix(c.rows, c.depth, 1),
    weight: matrix(c.columns, c.depth, 2),
    bias: c.bias ? randomFloats(c.columns, 3) : undefined,
    residual: c.residual ? matrix(c.rows, c.columns, 4) : undefined,
  };
}

const title = (c: Case): string =>
  `${c.rows} x ${c.depth} -> ${c.columns}, ${c.activation}${c.bias ? ', bias' : ''}${c.residual ? ', residual' : ''}`;

/** erf′ */
const density = (t: number): number => (2 / Math.sqrt(Math.PI)) * Math.exp(-t * t);

describe('linear twin', () => {
  it('is the formula, element by element, in float64', () => {
    for (const c of CASES.filter(({ depth }) => depth < 1000)) {
      const { x, weight, bias, residual } = operands(c);
      const { data } = linearCpu(x, weight, { bias, residual, activation: c.activation });
      const expected = Float64Array.from({ length: c.rows * c.columns }, (_, at) => {
        const [row, column] = [Math.floor(at / c.columns), at % c.columns];
        let sum = bias?.[column] ?? 0;
        for (let k = 0; k < c.depth; k++)
          sum += x.data[row * c.depth + k]! * weight.data[column * c.depth + k]!;
        if (c.activation === 'relu') sum = sum > 0 ? sum : 0;
        if (c.activation === 'gelu') sum = gelu(sum);
        return sum + (residual?.data[at] ?? 0);
      });
      expect(data).toBeNear(expected, 1e-6 * Math.sqrt(c.depth), title(c));
    }
  });

  it('has an erf equal to the integral of its derivative', () => {
    // Composite Simpson, good to 1e-13 here.
    for (const x of [0.01, 0.5, 1, 1.7, 2.5, 2.999, 3.001, 4, 5.5]) {
      const n = 4000;
      let sum = density(0) + density(x);
      for (let i = 1; i < n; i++) sum += density((i * x) / n) * (i % 2 === 0 ? 2 : 4);
      expect(erf(x)).toBeCloseTo((sum * x) / n / 3, 12);
      expect(erf(-x)).toBe(-erf(x));
    }
    expect([erf(0), erf(9)]).toEqual([0, 1]);
  });

  it('refuses operands that do not fit', () => {
    expect(() => linearCpu(matrix(2, 3, 1), matrix(4, 5, 2))).toThrow(ModelError);
    const wrong = { residual: matrix(2, 5, 3) };
    expect(() => linearCpu(matrix(2, 3, 1), matrix(4, 3, 2), wrong)).toThrow(/residual is \[2, 5\]/);
  });
});

describeGpu('linear', (device) => {
  it.each(CASES.map((c) => [title(c), c] as const))('%s', async (_, c) => {
    const { x, weight, bias, residual } = operands(c);
    const actual = await withoutGpuErrors(device, async () => {
      const run = new GpuRun(device, 'linear test');
      const upload = (m: Matrix<Float32Array>): Matrix<GPUBuffer> => ({ ...m, data: run.upload(m.data) });
      const options = {
        bias: bias && run.upload(bias),
        residual: residual && upload(residual),
        activation: c.activation,
      };
      const { data } = linear(run, upload(x), upload(weight), options);
      run.keep(data);
      run.submit();
      const values = new Float32Array(await readBuffer(device, data, c.rows * c.columns * 4));
      data.destroy();
      return values;
    });
    const expected = linearCpu(x, weight, { bias, residual, activation: c.activation });
    expect(actual).toBeNear(expected.data, tolerance(c.depth), title(c));
  });

  it('has a GELU good to 1e-6 over the whole range', async () => {
    const count = 4097;
    const x = {
      data: Float32Array.from({ length: count }, (_, i) => (i - 2048) / 256),
      rows: count,
      columns: 1,
    };
    const run = new GpuRun(device, 'gelu test');
    const one = { data: run.upload(Float32Array.of(1)), rows: 1, columns: 1 };
    const { data } = linear(run, { ...x, data: run.upload(x.data) }, one, { activation: 'gelu' });
    run.keep(data);
    run.submit();
    const actual = new Float32Array(await readBuffer(device, data, count * 4));
    data.destroy();
    expect(actual).toBeNear(Float64Array.from(x.data, gelu), 1e-6, 'gelu');
  });

  it('says so when a weight exceeds what the device binds', () => {
    const run = new GpuRun(device, 'limit test');
    const small = uploadStorageBuffer(device, new Float32Array(4), 'small');
    const rows = Math.ceil(device.limits.maxStorageBufferBindingSize / 4) + 1;
    const call = () => linear(run, { data: small, rows: 1, columns: 1 }, { data: small, rows, columns: 1 });
    expect(call).toThrow(expect.objectContaining({ code: 'out-of-memory' }));
    expect(call).toThrow(/this device binds at most/);
    small.destroy();
    run.submit();
  });
});
