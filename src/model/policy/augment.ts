/**
 * The image augmentation upstream trains with: random resized crop (90 % of the area), brightness, contrast, saturation and hue
 * (openvla-oft prismatic/vla/datasets/datasets.py, image_augment_kwargs, carried out by dlimp with tf.image).
 */
import { blank, type Pixels } from '../kernels/pixels.ts';

const CROP_AREA = 0.9;
const BRIGHTNESS = 0.2;
const CONTRAST = [0.8, 1.2] as const;
const SATURATION = [0.8, 1.2] as const;
const HUE = 0.05;

/**
 * @param image RGBA, already of the policy's size
 * @param uniform in [0, 1). One number decides all five operations and both offsets of the crop: dlimp hands every operation the same
 *   stateless seed, so in upstream, too, they all draw the same number.
 * @returns a new image of the same size, opaque
 */
export function augment(image: Pixels, uniform: number): Pixels {
  const { width, height } = image;
  const values = randomResizedCrop(image, uniform);
  adjustBrightness(values, between(-BRIGHTNESS, BRIGHTNESS, uniform));
  adjustContrast(values, between(...CONTRAST, uniform));
  adjustColour(values, (hsv) => {
    hsv[1] = clamp(hsv[1]! * between(...SATURATION, uniform));
  });
  adjustColour(values, (hsv) => {
    const hue = hsv[0]! + between(-HUE, HUE, uniform);
    hsv[0] = hue - Math.floor(hue);
  });
  const output = blank(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) {
      output.data[4 * i + channel] = Math.trunc(Math.fround(values[3 * i + channel]! * 255));
    }
  }
  return output;
}

const between = (low: number, high: number, uniform: number): number => low + (high - low) * uniform;
const clamp = (x: number): number => Math.min(1, Math.max(0, x));

/** tf.image.crop_and_resize, bilinear, to [height · width · 3] in 0…1. */
function randomResizedCrop({ width, height, data }: Pixels, uniform: number): Float32Array {
  const side = Math.sqrt(CROP_AREA);
  const offset = uniform * (1 - side);
  const values = new Float32Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = offset * (height - 1) + y * side;
    const top = Math.floor(row);
    const bottom = Math.min(Math.ceil(row), height - 1);
    for (let x = 0; x < width; x++) {
      const column = offset * (width - 1) + x * side;
      const left = Math.floor(column);
      const right = Math.min(Math.ceil(column), width - 1);
      for (let channel = 0; channel < 3; channel++) {
        const at = (r: number, c: number) => data[(r * width + c) * 4 + channel]! / 255;
        const above = at(top, left) + (at(top, right) - at(top, left)) * (column - left);
        const below = at(bottom, left) + (at(bottom, right) - at(bottom, left)) * (column - left);
        values[(y * width + x) * 3 + channel] = above + (below - above) * (row - top);
      }
    }
  }
  return values;
}

function adjustBrightness(values: Float32Array, delta: number): void {
  for (let i = 0; i < values.length; i++) values[i] = clamp(values[i]! + delta);
}

/** Around each channel's own mean. */
function adjustContrast(values: Float32Array, factor: number): void {
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (let i = channel; i < values.length; i += 3) sum += values[i]!;
    const mean = (sum * 3) / values.length;
    for (let i = channel; i < values.length; i += 3) values[i] = clamp((values[i]! - mean) * factor + mean);
  }
}

/** Changes each pixel as hue (0…1), saturation, value. */
function adjustColour(values: Float32Array, change: (hsv: Float64Array) => void): void {
  const hsv = new Float64Array(3);
  for (let i = 0; i < values.length; i += 3) {
    const [r, g, b] = [values[i]!, values[i + 1]!, values[i + 2]!];
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    let hue = 0;
    if (range > 0) {
      if (r === value) hue = (g - b) / range;
      else if (g === value) hue = 2 + (b - r) / range;
      else hue = 4 + (r - g) / range;
    }
    hsv[0] = (hue < 0 ? hue + 6 : hue) / 6;
    hsv[1] = value > 0 ? range / value : 0;
    hsv[2] = value;
    change(hsv);
    for (let channel = 0; channel < 3; channel++) values[i + channel] = clamp(fromHsv(hsv, channel));
  }
}

/** Red, green or blue of a colour: a trapezoid over the hue circle, shifted by a third for each channel. */
function fromHsv(hsv: Float64Array, channel: number): number {
  const position = (5 - 2 * channel + hsv[0]! * 6 + 6) % 6;
  const dip = Math.max(0, Math.min(position, 4 - position, 1));
  return hsv[2]! * (1 - hsv[1]! * dip);
}
