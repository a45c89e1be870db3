import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import {
  decodeFloat32,
  decodeRows,
  encodedParts,
  encodeRows,
  encodeTensor,
  type Encoding,
} from '../../src/model/weights/encoding.ts';
import { quantiseRows } from '../../src/model/weights/quantise.ts';
import { randomFloats } from '../setup/compare.ts';
import { refusalCode, refusedWith } from './refused.ts';

const ENCODINGS: Encoding[] = ['f32', 'f16', 'q8', 'q4'];
const QUANTISED = [
  { encoding: 'q8' as const, bits: 8 as const, half: 128 },
  { encoding: 'q4' as const, bits: 4 as const, half: 8 },
];

describe.each(QUANTISED)('$encoding', ({ encoding, bits, half }) => {
  it('is off by half a step of its scale at most, but for values clipped at the far end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 200 }),
        (columns, list) => {
          const rows = Math.max(1, Math.floor(list.length / columns));
          const values = Float32Array.from({ length: rows * columns }, (_, i) => list[i % list.length]!);
          const weight = encodeTensor('w', [rows, columns], values, encoding);
          const decoded = decodeFloat32(weight);
          const blocks = Math.ceil(columns / 32);
          values.forEach((value, i) => {
            const scale = weight.scales![Math.floor(i / columns) * blocks + Math.floor((i % columns) / 32)]!;
            const clipped = value / scale > half - 1;
            // A clipped value loses at most the one step that the long side has more.
            const limit = Math.abs(scale) * (clipped ? 1 : 0.5) * (1 + 1e-5) + 1e-37;
            expect(Math.abs(decoded[i]! - value)).toBeLessThanOrEqual(limit);
          });
        },
      ),
    );
  });

  it('is never worse than the plain symmetric scale, and better on average', () => {
    const values = randomFloats(64 * 256, 1);
    const decoded = decodeFloat32(encodeTensor('w', [64, 256], values, encoding));
    let ours = 0;
    let plain = 0;
    for (let block = 0; block < values.length; block += 32) {
      const part = values.subarray(block, block + 32);
      const scale = Math.fround(Math.max(...part.map(Math.abs)) / (half - 1));
      const error = part.reduce((sum, x, i) => sum + (x - decoded[block + i]!) ** 2, 0);
      const simple = part.reduce((sum, x) => sum + (x - Math.round(x / scale) * scale) ** 2, 0);
      // Decoded values are rounded to float32, which is coarse beside the error of an 8-bit code.
      expect(error).toBeLessThanOrEqual(simple * (1 + 1e-4));
      ours += error;
      plain += simple;
    }
    // About 0.84 for 4 bits and 0.90 for 8: the better of two grids, block by block.
    expect(ours).toBeLessThan(0.95 * plain);
  });

  it('pads a last block with the zero point', () => {
    const { data } = quantiseRows(Float32Array.of(1, -1, 0.5), 3, bits);
    expect(data.length).toBe((32 * bits) / 8);
    const padding = bits === 8 ? data.slice(3) : data.slice(2);
    expect(new Set(padding)).toEqual(new Set([bits === 8 ? 128 : 0x88]));
  });

  it.each([
    { columns: 70, rows: 5 },
    { columns: 70, rows: 1 },
    { columns: 96, rows: 33 },
    { columns: 7, rows: 3 },
  ])('is what MatMulNBits multiplies by: K $columns, N $rows', async ({ columns, rows }) => {
    const batch = 3;
    const weight = encodeTensor('w', [rows, columns], randomFloats(rows * columns, 2), encoding);
    const x = randomFloats(batch * columns, 3);
    const g = new GraphBuilder('matmul');
    g.output('y', g.linear(g.input('x', [batch, columns]), g.input('w', [rows, columns], encoding)));
    const runtime = await createNodeRuntime({ threads: 1 });
    const program = await runtime.compile(g.build());
    const { y } = await program.run({
      x: runtime.upload(x, [batch, columns]),
      w: runtime.uploadWeight(weight),
    });
    const found = await runtime.read(y!);
    const decoded = decodeFloat32(weight);
    const expected = Array.from({ length: batch * rows }, (_, i) => {
      const [b, r] = [Math.floor(i / rows), i % rows];
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += x[b * columns + k]! * decoded[r * columns + k]!;
      return sum;
    });
    // Sums of at most 96 products below 1; onnxruntime may quantise nothing else at this accuracy level.
    expect(found).toBeNear(expected, 2e-5);
    await runtime.dispose();
  });

  it('refuses what is not finite', async () => {
    for (const bad of [NaN, Infinity, -Infinity])
      expect(await refusedWith('bad-file', () => quantiseRows(Float32Array.of(1, bad), 2, bits))).toContain(
        String(bad),
      );
  });

  it('gives zeros for zeros, and for values whose scale float32 cannot hold', () => {
    const weight = encodeTensor('w', [1, 3], Float32Array.of(0, 1e-45, -0), encoding);
    expect([...decodeFloat32(weight)].map(Math.abs)).toEqual([0, 0, 0]);
    // One block of zeros between two that are not.
    const values = randomFloats(96, 5).fill(0, 32, 64);
    const decoded = decodeFloat32(encodeTensor('w', [1, 96], values, encoding));
    expect(new Set(decoded.subarray(32, 64).map(Math.abs))).toEqual(new Set([0]));
    for (const block of [decoded.subarray(0, 32), decoded.subarray(64)])
      expect(block.filter((value) => value !== 0 && Number.isFinite(value)).length).toBeGreaterThan(20);
  });
});

it.each(ENCODINGS)(
  '%s: rows encoded piece by piece equal the whole, and its sizes are as announced',
  (encoding) => {
    const shape = [7, 45];
    const values = randomFloats(7 * 45, 4);
    const whole = encodeTensor('w', shape, values, encoding);
    const pieces = [values.slice(0, 3 * 45), values.slice(3 * 45)].map((part) =>
      encodeRows(part, 45, encoding),
    );
    expect(Buffer.concat(pieces.map(({ data }) => data))).toEqual(Buffer.from(whole.data));
    expect(pieces.flatMap(({ scales }) => [...(scales ?? [])])).toEqual([...(whole.scales ?? [])]);
    const parts = encodedParts(shape, encoding);
    expect([whole.data.byteLength, whole.scales?.byteLength ?? 0]).toEqual([parts.data, parts.scales]);

    const all = decodeFloat32(whole);
    expect([...decodeRows(whole, [6, 0, 6])]).toEqual(
      [6, 0, 6].flatMap((row) => Array.from(all.subarray(row * 45, (row + 1) * 45))),
    );
  },
);

it('refuses rows that are not there, and matrices of other ranks', async () => {
  const weight = encodeTensor('w', [2, 4], new Float32Array(8), 'f32');
  expect(await refusalCode(() => decodeRows(weight, [2]))).toBe('bad-shape');
  expect(await refusalCode(() => encodeTensor('w', [8], new Float32Array(8), 'q4'))).toBe('bad-shape');
});
