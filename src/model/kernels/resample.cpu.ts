import { blank, type Pixels } from './pixels.ts';
import { PILLOW_PRECISION } from './resample-table.ts';
import type { ResamplePass } from './resample.ts';

/** Twin of resample.wgsl, equal to it bit for bit. */
export function resample(input: Pixels, pass: ResamplePass<Int32Array>): Pixels {
  const { axis, table } = pass;
  const vertical = axis === 'vertical';
  const output = blank(
    vertical ? input.width : table.start.length,
    vertical ? table.start.length : input.height,
  );
  const stride = vertical ? input.width * 4 : 4;
  for (let y = 0; y < output.height; y++) {
    for (let x = 0; x < output.width; x++) {
      const position = vertical ? y : x;
      const start = table.start[position]!;
      const first = (vertical ? start * input.width + x : y * input.width + start) * 4;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 2 ** (PILLOW_PRECISION - 1);
        for (let k = 0; k < table.count[position]!; k++) {
          sum += input.data[first + k * stride + channel]! * table.weights[position * table.taps + k]!;
        }
        // Uint8ClampedArray clamps.
        output.data[(y * output.width + x) * 4 + channel] = sum >> PILLOW_PRECISION;
      }
    }
  }
  return output;
}
