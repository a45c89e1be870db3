import type { PixelWindow } from './copy-window.ts';
import { blank, type Pixels } from './pixels.ts';

/** Twin of copy-window.wgsl. */
export function copyWindow(input: Pixels, window: PixelWindow): Pixels {
  const { width, height, left, top, fill } = window;
  const output = blank(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = x + left >= 0 && x + left < input.width && y + top >= 0 && y + top < input.height;
      const from = ((y + top) * input.width + x + left) * 4;
      for (let channel = 0; channel < 3; channel++) {
        output.data[(y * width + x) * 4 + channel] = inside ? input.data[from + channel]! : fill[channel]!;
      }
    }
  }
  return output;
}
