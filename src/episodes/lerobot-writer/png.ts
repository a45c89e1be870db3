/**
 * RGBA → PNG with three channels, which is what lerobot expects of an image feature.
 *
 * Our own: a canvas writes four channels, and encoders in JavaScript filter nothing or block the thread; deflating is left to the platform.
 */
import type { FrameImage } from '../dataset.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CHANNELS = 3;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** 8-bit RGB; alpha is dropped. The pixels are kept exactly. */
export async function encodePng({ width, height, data }: FrameImage): Promise<Uint8Array<ArrayBuffer>> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  // Colour type 2: RGB.
  header[9] = 2;
  const pixels = await deflate(filtered(width, height, data));
  const chunks = [chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', new Uint8Array())];
  return new Uint8Array(await new Blob([Uint8Array.from(SIGNATURE), ...chunks]).arrayBuffer());
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Each row with the filter (none, sub, up or Paeth) whose differences are smallest, as libpng chooses it. */
function filtered(width: number, height: number, rgba: Uint8ClampedArray): Uint8Array<ArrayBuffer> {
  const rowBytes = width * CHANNELS;
  const out = new Uint8Array(height * (rowBytes + 1));
  let above = new Uint8Array(rowBytes);
  let row = new Uint8Array(rowBytes);
  const tries = [0, 1, 2, 4].map((filter) => ({ filter, bytes: new Uint8Array(rowBytes) }));
  for (let y = 0; y < height; y++) {
    for (let x = 0, from = y * width * 4, to = 0; x < width; x++, from += 4, to += CHANNELS) {
      row[to] = rgba[from]!;
      row[to + 1] = rgba[from + 1]!;
      row[to + 2] = rgba[from + 2]!;
    }
    let best = tries[0]!;
    let least = Infinity;
    for (const one of tries) {
      const sum = applyFilter(one.filter, row, above, one.bytes);
      if (sum < least) [best, least] = [one, sum];
    }
    out[y * (rowBytes + 1)] = best.filter;
    out.set(best.bytes, y * (rowBytes + 1) + 1);
    [above, row] = [row, above];
  }
  return out;
}

/** @returns sum of the absolute differences, as signed bytes */
function applyFilter(filter: number, row: Uint8Array, above: Uint8Array, out: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) {
    const left = i < CHANNELS ? 0 : row[i - CHANNELS]!;
    const up = above[i]!;
    const upLeft = i < CHANNELS ? 0 : above[i - CHANNELS]!;
    const predicted = filter === 0 ? 0 : filter === 1 ? left : filter === 2 ? up : paeth(left, up, upLeft);
    const difference = (row[i]! - predicted) & 255;
    out[i] = difference;
    sum += difference < 128 ? difference : 256 - difference;
  }
  return sum;
}

function paeth(left: number, up: number, upLeft: number): number {
  const estimate = left + up - upLeft;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - upLeft)];
  return a <= b && a <= c ? left : b <= c ? up : upLeft;
}

function chunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(data, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < 8 + data.length; i++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[i]!) & 255]!;
  view.setUint32(8 + data.length, ~crc >>> 0);
  return bytes;
}
