import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../src/model/weights/half.ts';

const float = (value: number): Float32Array<ArrayBuffer> => Float32Array.of(value);

describe('float16', () => {
  it('round-trips every finite half', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits).filter(
      (bits) => (bits & 0x7c00) !== 0x7c00,
    );
    expect(toFloat16(fromFloat16(all))).toEqual(all);
  });

  it('reads the values of the standard', () => {
    const bits = Uint16Array.of(
      0x0000,
      0x8000,
      0x0001,
      0x03ff,
      0x0400,
      0x3c00,
      0xc000,
      0x7bff,
      0x7c00,
      0xfc00,
    );
    expect([...fromFloat16(bits)]).toEqual([
      0,
      -0,
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      1,
      -2,
      65504,
      Infinity,
      -Infinity,
    ]);
    expect(fromFloat16(Uint16Array.of(0x7e00))[0]).toBeNaN();
  });

  it('rounds to the nearest half, ties to the even one', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const bits = toFloat16(float(value))[0]!;
        const found = fromFloat16(Uint16Array.of(bits))[0]!;
        for (const step of [-1, 1]) {
          const size = (bits & 0x7fff) + step;
          if (size < 0 || size >= 0x7c00) continue;
          const beside = fromFloat16(Uint16Array.of((bits & 0x8000) | size))[0]!;
          const gap = Math.abs(beside - value) - Math.abs(found - value);
          expect(gap > 0 || (gap === 0 && bits % 2 === 0)).toBe(true);
        }
      }),
    );
  });

  it('rounds exact ties to even, also between subnormals', () => {
    const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 0.5 * 2 ** -24, 1.5 * 2 ** -24, 2.5 * 2 ** -24];
    const even = [1, 1 + 2 ** -9, 0, 2 ** -23, 2 ** -23];
    expect([...fromFloat16(toFloat16(Float32Array.from(ties)))]).toEqual(even);
  });

  it('clamps what is too large, keeps infinities and NaN', () => {
    expect([...toFloat16(Float32Array.of(65520, -1e30, Infinity, -Infinity, NaN))]).toEqual([
      0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00,
    ]);
  });
});

describe('bfloat16', () => {
  it('round-trips every value that is no NaN', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits).filter(
      (bits) => (bits & 0x7f80) !== 0x7f80 || (bits & 0x7f) === 0,
    );
    expect(toBfloat16(fromBfloat16(all))).toEqual(all);
  });

  it('rounds ties to even and keeps NaN', () => {
    // 1 + 2^-8 lies between 1 and 1 + 2^-7; 1 + 3·2^-8 between 1 + 2^-7 and 1 + 2^-6.
    expect([...fromBfloat16(toBfloat16(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8)))]).toEqual([
      1,
      1 + 2 ** -6,
    ]);
    expect(fromBfloat16(toBfloat16(float(NaN)))[0]).toBeNaN();
  });
});
