import { blank, type Pixels } from './pixels.ts';

/** byte · (1 / 255) in f32, as tf.image.convert_image_dtype. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte * Math.fround(1 / 255));

/** Twin of crop-resize.wgsl, rounding to f32 at every step; bytes may differ by one where a GPU fuses. */
export function cropResize(input: Pixels, columns: Float32Array, rows: Float32Array): Pixels {
  const output = blank(columns.length, rows.length);
  const { data, width } = input;
  for (let y = 0; y < rows.length; y++) {
    const row = rows[y]!;
    const top = Math.floor(row) * width;
    const bottom = Math.min(Math.ceil(row), input.height - 1) * width;
    const down = Math.fround(row - Math.floor(row));
    for (let x = 0; x < columns.length; x++) {
      const column = columns[x]!;
      const left = Math.floor(column);
      const right = Math.min(Math.ceil(column), width - 1);
      const across = Math.fround(column - left);
      for (let channel = 0; channel < 3; channel++) {
        const topLeft = UNIT[data[(top + left) * 4 + channel]!]!;
        const topRight = UNIT[data[(top + right) * 4 + channel]!]!;
        const bottomLeft = UNIT[data[(bottom + left) * 4 + channel]!]!;
        const bottomRight = UNIT[data[(bottom + right) * 4 + channel]!]!;
        const above = mix(topLeft, topRight, across);
        const below = mix(bottomLeft, bottomRight, across);
        const mixed = Math.min(Math.max(mix(above, below, down), 0), 1);
        output.data[(y * columns.length + x) * 4 + channel] = Math.trunc(Math.fround(mixed * 255.5));
      }
    }
  }
  return output;
}

function mix(a: number, b: number, share: number): number {
  return Math.fround(a + Math.fround(Math.fround(b - a) * share));
}
