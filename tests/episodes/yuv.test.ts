import { describe, expect, it } from 'vitest';
import { PLANAR_FORMATS, turned, yuvToRgba, type YuvColours } from '../../src/episodes/yuv.ts';

const LIMITED: YuvColours = { matrix: 'bt601', fullRange: false };

/** One colour in 2 × 2 pixels, in the planes of a format. */
function painted(name: string, [y, u, v]: readonly [number, number, number], colours: YuvColours): number[] {
  const format = PLANAR_FORMATS[name]!;
  const chroma = format.shiftX ? (format.shiftY ? 1 : 2) : 4;
  const values =
    format.planes === 2
      ? [y, y, y, y, u, v]
      : [...Array<number>(4).fill(y), ...Array<number>(chroma).fill(u), ...Array<number>(chroma).fill(v)];
  const unit = format.bits === 8 ? 1 : 2;
  const bytes =
    unit === 1
      ? Uint8Array.from(values)
      : new Uint8Array(Uint16Array.from(values, (value) => value << (format.bits - 8)).buffer);
  const width = format.shiftX ? 1 : 2;
  const layout = [
    { offset: 0, stride: 2 * unit },
    { offset: 4 * unit, stride: (format.planes === 2 ? 2 : width) * unit },
    { offset: (4 + chroma) * unit, stride: width * unit },
  ];
  const out = yuvToRgba(bytes, layout, format, 2, 2, colours);
  expect(out).toHaveLength(16);
  expect([...out.subarray(12)]).toEqual([...out.subarray(0, 4)]);
  return [...out.subarray(0, 4)];
}

describe('planes of a video', () => {
  // Y′CbCr of the primaries, from the definitions of BT.601, BT.709 and BT.2020.
  it.each([
    ['white', [235, 128, 128], LIMITED, [255, 255, 255]],
    ['black', [16, 128, 128], LIMITED, [0, 0, 0]],
    ['red of BT.601', [81, 90, 240], LIMITED, [254, 0, 0]],
    ['green of BT.709', [173, 42, 26], { matrix: 'bt709', fullRange: false }, [0, 255, 0]],
    ['blue of BT.709', [32, 240, 118], { matrix: 'bt709', fullRange: false }, [0, 0, 255]],
    ['red of BT.2020', [74, 97, 240], { matrix: 'bt2020', fullRange: false }, [255, 0, 0]],
    ['white in full range', [255, 128, 128], { matrix: 'bt601', fullRange: true }, [255, 255, 255]],
    ['red in full range', [76, 85, 255], { matrix: 'bt601', fullRange: true }, [254, 0, 0]],
  ] as const)('become %s', (_, yuv, colours, rgb) => {
    for (const name of Object.keys(PLANAR_FORMATS)) {
      const [red, green, blue, alpha] = painted(name, yuv, colours);
      const apart = [red! - rgb[0], green! - rgb[1], blue! - rgb[2]].map(Math.abs);
      expect(Math.max(...apart), name).toBeLessThanOrEqual(3);
      expect(alpha).toBe(255);
    }
  });

  it('may have an odd size', () => {
    const format = PLANAR_FORMATS['I420']!;
    const bytes = Uint8Array.from([...Array<number>(9).fill(16), ...Array<number>(8).fill(128)]);
    const layout = [
      { offset: 0, stride: 3 },
      { offset: 9, stride: 2 },
      { offset: 13, stride: 2 },
    ];
    const out = yuvToRgba(bytes, layout, format, 3, 3, LIMITED);
    expect(out.every((value, i) => value === (i % 4 === 3 ? 255 : 0))).toBe(true);
  });
});

/** 3 × 2 pixels, numbered by rows. */
const image = () => ({
  width: 3,
  height: 2,
  data: new Uint8ClampedArray(Uint32Array.from([1, 2, 3, 4, 5, 6]).buffer),
});

describe('a turned recording', () => {
  it.each([
    [0, false, 3, [1, 2, 3, 4, 5, 6]],
    [90, false, 2, [4, 1, 5, 2, 6, 3]],
    [180, false, 3, [6, 5, 4, 3, 2, 1]],
    [270, false, 2, [3, 6, 2, 5, 1, 4]],
    [0, true, 3, [3, 2, 1, 6, 5, 4]],
    [90, true, 2, [1, 4, 2, 5, 3, 6]],
  ])('is shown upright: %i°, mirrored: %s', (degrees, mirrored, width, pixels) => {
    const shown = turned(image(), degrees, mirrored);
    expect([shown.width, shown.height]).toEqual([width, 6 / width]);
    expect([...new Uint32Array(shown.data.buffer)]).toEqual(pixels);
  });
});
