import { blank, type Pixels } from './pixels.ts';
import type { ResampleTable } from './resample-table.ts';

/**
 * Twin of resample-float.wgsl, rounding to f32 at every step. A GPU may fuse multiply and add, so bytes may
 * differ by one.
 */
export function resampleFloat(
  input: Pixels,
  rows: ResampleTable<Float32Array>,
  columns: ResampleTable<Float32Array>,
): Pixels {
  const { fround } = Math;
  const output = blank(columns.start.length, rows.start.length);
  const stride = input.width * 4;
  const line = new Float32Array(stride);
  for (let y = 0; y < output.height; y++) {
    line.fill(0);
    for (let k = 0; k < rows.count[y]!; k++) {
      const weight = rows.weights[y * rows.taps + k]!;
      const first = (rows.start[y]! + k) * stride;
      for (let i = 0; i < stride; i++) line[i] = line[i]! + fround(input.data[first + i]! * weight);
    }
    for (let x = 0; x < output.width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let k = 0; k < columns.count[x]!; k++) {
          const value = line[(columns.start[x]! + k) * 4 + channel]!;
          sum = fround(sum + fround(value * columns.weights[x * columns.taps + k]!));
        }
        // Uint8ClampedArray rounds ties to even and clamps, as tf.round and clip_by_value.
        output.data[(y * output.width + x) * 4 + channel] = sum;
      }
    }
  }
  return output;
}
