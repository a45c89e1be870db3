import type { FrameImage } from '../dataset.ts';

/**
 * RGBA → I420, BT.601 in limited range: what lerobot and ffmpeg take an untagged stream for. Encoders are not asked to convert,
 * because each of them picks a matrix of its own.
 *
 * @returns the planes Y, U and V one after another; U and V have half the width and height, rounded up, of the mean of 2×2 pixels
 */
export function toI420({ width, height, data }: FrameImage): Uint8Array<ArrayBuffer> {
  const [halfWidth, halfHeight] = [(width + 1) >> 1, (height + 1) >> 1];
  const out = new Uint8Array(width * height + 2 * halfWidth * halfHeight);
  for (let i = 0, from = 0; i < width * height; i++, from += 4) {
    out[i] = 16.5 + (65.481 * data[from]! + 128.553 * data[from + 1]! + 24.966 * data[from + 2]!) / 255;
  }
  const u = width * height;
  const v = u + halfWidth * halfHeight;
  for (let y = 0; y < halfHeight; y++) {
    const rows = [2 * y, Math.min(2 * y + 1, height - 1)].map((row) => row * width);
    for (let x = 0; x < halfWidth; x++) {
      const right = Math.min(2 * x + 1, width - 1);
      let [r, g, b] = [0, 0, 0];
      for (const row of rows) {
        for (const at of [4 * (row + 2 * x), 4 * (row + right)]) {
          r += data[at]!;
          g += data[at + 1]!;
          b += data[at + 2]!;
        }
      }
      const i = y * halfWidth + x;
      out[u + i] = 128.5 + (-37.797 * r - 74.203 * g + 112 * b) / (4 * 255);
      out[v + i] = 128.5 + (112 * r - 93.786 * g - 18.214 * b) / (4 * 255);
    }
  }
  return out;
}
