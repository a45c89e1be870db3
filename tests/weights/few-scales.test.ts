import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.ts';
import { layoutOf } from '../../src/convert/layout.ts';
import { indexedScales, scalesByteLength, TABLE_ENTRIES } from '../../src/model/weights/few-scales.ts';
import { quantiseRows } from '../../src/model/weights/quantise.ts';

const random = new Random(3);
const gaussians = (count: number) => Float32Array.from({ length: count }, () => 0.02 * random.gaussian());
const asBfloat16 = (values: Float32Array) =>
  new Float32Array(new Uint32Array(values.buffer).map((bits) => bits & 0xffff0000).buffer);

/** As `packed-scales.wgsl` reads them. */
function read(words: Uint32Array, block: number): number {
  const pair = words[2 + words[1]! + (block >>> 1)]!;
  const table = new Float32Array(words.buffer, 8);
  return table[(pair >>> (16 * (block & 1))) & 0xffff]!;
}

const entry = (dtype: 'BF16' | 'F32') => ({ dtype, shape: [64, 64], byteLength: 1 }) as const;

describe('scales of weights that were bfloat16', () => {
  it.each([4, 8] as const)('take half the bytes and are the same bits, %i bits', (bits) => {
    const { scales } = quantiseRows(asBfloat16(gaussians(40_000 * 32)), 32, bits);
    // A block of zeros, and the last of an odd number.
    const odd = scales.slice(0, 39_999);
    odd[5] = 0;
    const words = indexedScales(odd)!;
    expect(words.byteLength).toBe(scalesByteLength(odd.length, true));
    expect(words.byteLength).toBeLessThan(0.71 * odd.byteLength);
    expect(Float32Array.from(odd, (_, block) => read(words, block))).toEqual(odd);
    // No scale is taken for the mark.
    expect(Number.isNaN(new Float32Array(words.buffer)[0])).toBe(true);
  });

  it('stay as they are where they are many different ones, or few at all', () => {
    const { scales } = quantiseRows(gaussians(40_000 * 32), 32, 4);
    expect(new Set(scales).size).toBeGreaterThan(TABLE_ENTRIES);
    expect(indexedScales(scales)).toBeNull();
    expect(indexedScales(new Float32Array(1000))).toBeNull();
    expect(scalesByteLength(1000, true)).toBe(4000);
    expect(scalesByteLength(40_000, false)).toBe(160_000);
  });

  it('are told of by the layout of a package, before anything is read', () => {
    const { tensors } = layoutOf(
      new Map([
        ['a', entry('BF16')],
        ['b', entry('F32')],
      ]),
      () => 'q4',
    );
    expect(tensors.map(({ fewScales }) => fewScales)).toEqual([true, undefined]);
  });
});
