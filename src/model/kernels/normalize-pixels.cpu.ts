import type { Normalization } from './normalize-pixels.ts';
import type { Pixels } from './pixels.ts';

/** Twin of normalize-pixels.wgsl, rounding as torch does. */
export function normalizePixels(
  input: Pixels,
  normalization: Normalization,
  planes: Float32Array,
  offset: number,
): void {
  const { fround } = Math;
  const count = input.width * input.height;
  for (let channel = 0; channel < 3; channel++) {
    const mean = fround(normalization.mean[channel]!);
    const std = fround(normalization.std[channel]!);
    for (let i = 0; i < count; i++) {
      const value = fround(input.data[i * 4 + channel]! / 255);
      planes[offset + channel * count + i] = fround(value - mean) / std;
    }
  }
}
