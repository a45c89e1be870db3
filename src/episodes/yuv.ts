/**
 * Planes of a decoded video → RGBA, with swscale's own whole-number arithmetic (FFmpeg, libswscale/yuv2rgb.c and x86/yuv_2_rgb.asm), so that
 * a frame is what lerobot trains on, bit for bit, in every browser and in Node. Chroma is repeated, as swscale does when it does not scale.
 */

export interface YuvColours {
  /** A stream that names none means BT.601 to FFmpeg, whatever its size. */
  readonly matrix: 'bt601' | 'bt709' | 'bt2020';
  /** Values from 0 to 255 instead of 16 to 235. */
  readonly fullRange: boolean;
}

export interface Plane {
  readonly offset: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
}

/** How the chroma of a pixel is found: `step` values apart, for each `1 << x` by `1 << y` pixels. */
export interface PlanarFormat {
  readonly planes: 2 | 3 | 4;
  readonly shiftX: 0 | 1;
  readonly shiftY: 0 | 1;
  /** Bits of a value; above 8, two bytes each. */
  readonly bits: 8 | 10 | 12;
}

/** WebCodecs' names (https://www.w3.org/TR/webcodecs/#pixel-format). Alpha is not looked at. */
export const PLANAR_FORMATS: Readonly<Record<string, PlanarFormat>> = Object.fromEntries(
  (
    [
      ['I420', 3, 1, 1],
      ['I422', 3, 1, 0],
      ['I444', 3, 0, 0],
      ['I420A', 4, 1, 1],
      ['I422A', 4, 1, 0],
      ['I444A', 4, 0, 0],
      ['NV12', 2, 1, 1],
    ] as const
  ).flatMap(([name, planes, shiftX, shiftY]) => {
    const format = (bits: PlanarFormat['bits']): PlanarFormat => ({ planes, shiftX, shiftY, bits });
    const eight: [string, PlanarFormat] = [name, format(8)];
    if (name === 'NV12') return [eight];
    const deep = (bits: 10 | 12): [string, PlanarFormat] => [
      name.replace(/A?$/, (alpha) => (alpha ? `AP${bits}` : `P${bits}`)),
      format(bits),
    ];
    return [eight, deep(10), deep(12)];
  }),
);

/** Of 65536: V for red, U for blue, U and V for green (ff_yuv2rgb_coeffs). */
const COEFFICIENTS = {
  bt601: [104597, 132201, 25675, 53279],
  bt709: [117489, 138438, 13975, 34925],
  bt2020: [110013, 140363, 12277, 42626],
} as const;

interface Tables {
  readonly luma: Int16Array;
  readonly redV: Int16Array;
  readonly greenU: Int16Array;
  readonly greenV: Int16Array;
  readonly blueU: Int16Array;
}

const known = new Map<string, Tables>();

/** What each value adds, for a coefficient of 16 bits. */
function table(coefficient: number, zero: number): Int16Array {
  const rounded = Math.round(coefficient / 8);
  return Int16Array.from({ length: 256 }, (_, value) => ((value - zero) * 8 * rounded) >> 16);
}

/** The high half of its product with a coefficient of 13 bits, rounded down, as the MMX code has it. */
function tablesFor({ matrix, fullRange }: YuvColours): Tables {
  const key = `${matrix} ${fullRange}`;
  const made = known.get(key);
  if (made) return made;
  const [redV, blueU, greenU, greenV] = COEFFICIENTS[matrix].map((value) =>
    fullRange ? Math.trunc((value * 224) / 255) : value,
  ) as [number, number, number, number];
  const scale = fullRange ? 65536 : Math.trunc((65536 * 255) / 219);
  const tables = {
    luma: table(scale, fullRange ? 0 : 16),
    redV: table(redV, 128),
    greenU: table(-greenU, 128),
    greenV: table(-greenV, 128),
    blueU: table(blueU, 128),
  };
  known.set(key, tables);
  return tables;
}

/**
 * @param bytes of all planes, as `VideoFrame.copyTo` gives them
 * @returns RGBA, opaque
 */
export function yuvToRgba(
  bytes: Uint8Array,
  layout: readonly Plane[],
  format: PlanarFormat,
  width: number,
  height: number,
  colours: YuvColours,
): Uint8ClampedArray<ArrayBuffer> {
  const { luma, redV, greenU, greenV, blueU } = tablesFor(colours);
  const values = format.bits === 8 ? bytes : eightBits(bytes, format.bits);
  const unit = format.bits === 8 ? 1 : 2;
  const at = (plane: number, row: number) => (layout[plane]!.offset + row * layout[plane]!.stride) / unit;
  const interleaved = format.planes === 2;
  const step = interleaved ? 2 : 1;
  const { shiftX, shiftY } = format;
  const pixels = new Uint32Array(width * height);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = at(0, y);
    let u = at(1, y >> shiftY);
    let v = interleaved ? u + 1 : at(2, y >> shiftY);
    for (let x = 0; x < width; x += 1 + shiftX) {
      const red = redV[values[v]!]!;
      const green = greenU[values[u]!]! + greenV[values[v]!]!;
      const blue = blueU[values[u]!]!;
      pixels[to++] = packed(luma[values[from++]!]!, red, green, blue);
      // Each chroma value serves one pixel or two.
      if (shiftX === 1 && x + 1 < width) pixels[to++] = packed(luma[values[from++]!]!, red, green, blue);
      u += step;
      v += step;
    }
  }
  return new Uint8ClampedArray(pixels.buffer);
}

/** 0 to 255, for sums that are beyond. */
const CLAMPED = Uint8Array.from({ length: 2048 }, (_, i) => Math.max(0, Math.min(255, i - 1024)));

/** RGBA in the order of bytes that every machine with a browser has. */
function packed(light: number, red: number, green: number, blue: number): number {
  return (
    0xff000000 |
    (CLAMPED[light + blue + 1024]! << 16) |
    (CLAMPED[light + green + 1024]! << 8) |
    CLAMPED[light + red + 1024]!
  );
}

/** Deeper values, rounded. */
function eightBits(bytes: Uint8Array, bits: number): Uint8Array {
  const deep = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
  const shift = bits - 8;
  const half = 1 << (shift - 1);
  return Uint8Array.from(deep, (value) => Math.min(255, (value + half) >> shift));
}

/** Turned clockwise, then mirrored, as the flags of a recording ask for. */
export function turned(
  image: { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray<ArrayBuffer> },
  degrees: number,
  mirrored: boolean,
): { width: number; height: number; data: Uint8ClampedArray<ArrayBuffer> } {
  if (degrees === 0 && !mirrored) return image;
  const across = degrees === 90 || degrees === 270;
  const width = across ? image.height : image.width;
  const height = across ? image.width : image.height;
  const from = new Uint32Array(image.data.buffer, image.data.byteOffset, image.width * image.height);
  const to = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const seen = mirrored ? width - 1 - x : x;
      const [column, row] =
        degrees === 90
          ? [y, image.height - 1 - seen]
          : degrees === 180
            ? [image.width - 1 - seen, image.height - 1 - y]
            : degrees === 270
              ? [image.width - 1 - y, seen]
              : [seen, y];
      to[y * width + x] = from[row * image.width + column]!;
    }
  }
  return { width, height, data: new Uint8ClampedArray(to.buffer) };
}
