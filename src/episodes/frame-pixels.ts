import type { FrameImage } from './dataset.ts';

/** RGB, 8 bit, rows from the top → RGBA. */
export function rgbImage(rgb: Uint8Array, width: number, height: number): FrameImage {
  // A pixel at a time: half of the time of a byte at a time. Wherever this runs the lowest byte is the first.
  const pixels = new Uint32Array(width * height);
  for (let pixel = 0, from = 0; pixel < pixels.length; pixel++, from += 3)
    pixels[pixel] = rgb[from]! | (rgb[from + 1]! << 8) | (rgb[from + 2]! << 16) | 0xff000000;
  return { width, height, data: new Uint8ClampedArray(pixels.buffer) };
}

/** Turned by 180°, as `image[::-1, ::-1]` does. */
export function turnedImage({ width, height, data }: FrameImage): FrameImage {
  const pixels = new Uint32Array(data.slice().buffer).toReversed();
  return { width, height, data: new Uint8ClampedArray(pixels.buffer) };
}
