import type { FrameImage } from './dataset.ts';

/** RGB, 8 bit, rows from the top → RGBA. */
export function rgbImage(rgb: Uint8Array, width: number, height: number): FrameImage {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let from = 0, to = 0; to < data.length; from += 3, to += 4) {
    data[to] = rgb[from]!;
    data[to + 1] = rgb[from + 1]!;
    data[to + 2] = rgb[from + 2]!;
    data[to + 3] = 255;
  }
  return { width, height, data };
}

/** Turned by 180°, as `image[::-1, ::-1]` does. */
export function turnedImage({ width, height, data }: FrameImage): FrameImage {
  const pixels = new Uint32Array(data.slice().buffer).toReversed();
  return { width, height, data: new Uint8ClampedArray(pixels.buffer) };
}
