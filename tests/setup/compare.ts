import { expect } from 'vitest';

/** Deterministic values in -1…1, for operands whose values do not matter. */
export function randomFloats(length: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed + 0x9e3779b9;
  return Float32Array.from({ length }, () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}

export function randomBytes(length: number, seed: number): Uint8ClampedArray<ArrayBuffer> {
  return Uint8ClampedArray.from(randomFloats(length, seed), (x) => (x + 1) * 128);
}

declare module 'vitest' {
  interface Matchers<T> {
    /** Every element within `tolerance` of `expected`; fails with their number, the worst place and both values. */
    toBeNear(expected: ArrayLike<number>, tolerance: number, what?: string): T;
  }
}

expect.extend({
  toBeNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = 'values') {
    const message = difference(actual, expected, tolerance, what);
    return { pass: message === null, message: () => message ?? `${what}: all are within ${tolerance}` };
  },
});

/** Where two arrays differ by more than `tolerance`, in a sentence; null where they do not. */
export function difference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): string | null {
  if (actual.length !== expected.length)
    return `${what}: ${actual.length} instead of ${expected.length} elements`;
  let off = 0;
  let at = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    // Written so that NaN counts as a difference.
    if (!(error <= tolerance)) off++;
    if (!(error <= worst)) [at, worst] = [i, error];
  }
  if (off === 0) return null;
  const values = `${actual[at]} instead of ${expected[at]}, off by ${worst}`;
  return `${what}: ${off} of ${expected.length} differ by more than ${tolerance}; worst at ${at}: ${values}`;
}
