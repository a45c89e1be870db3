/**
 * JPEG as TensorFlow decodes it for training on RLDS: libjpeg-turbo's *fast* inverse DCT (tf.io.decode_jpeg's default, INTEGER_FAST), with
 * smooth upsampling. Browsers and other libraries take the accurate one; pixels differ by up to 9 of 255, in two of three places.
 */
import { ModelError } from '../base/errors.ts';
import type { FrameImage } from './dataset.ts';
import {
  BadScan,
  BitReader,
  fastScale,
  huffmanTable,
  inverseDct,
  readBlock,
  type HuffmanTable,
} from './jpeg-blocks.ts';

interface Component {
  readonly id: number;
  readonly h: number;
  readonly v: number;
  readonly quantisation: number;
}

interface Plane {
  readonly samples: Uint8ClampedArray;
  readonly stride: number;
  /** Those that belong to the picture. */
  readonly width: number;
  readonly height: number;
}

interface Headers {
  readonly width: number;
  readonly height: number;
  readonly components: readonly Component[];
  readonly scales: ReadonlyMap<number, Int32Array>;
  readonly dc: ReadonlyMap<number, HuffmanTable>;
  readonly ac: ReadonlyMap<number, HuffmanTable>;
  /** Tables of each component, in the order of the components. */
  readonly tables: readonly { readonly dc: number; readonly ac: number }[];
  readonly restart: number;
  /** Where the scan begins. */
  readonly scan: number;
}

/** A damaged header may claim any size. */
const MOST_PIXELS = 2 ** 26;

/**
 * @returns null for what is not a JPEG of the common kind (baseline, one scan, grey or YCbCr in 4:4:4, 4:2:2, 4:2:0)
 * @throws ModelError `bad-file` for a damaged one
 */
export function decodeTensorFlowJpeg(bytes: Uint8Array, what: string): FrameImage | null {
  const headers = readHeaders(bytes);
  if (!headers) return null;
  try {
    const planes = readScan(bytes, headers);
    return planes && coloured(planes, headers);
  } catch (error) {
    if (!(error instanceof BadScan)) throw error;
    throw new ModelError(
      'bad-file',
      `${what} is a damaged JPEG: ${error.message}.`,
      'Copy the dataset again.',
    );
  }
}

function readHeaders(bytes: Uint8Array): Headers | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scales = new Map<number, Int32Array>();
  const dc = new Map<number, HuffmanTable>();
  const ac = new Map<number, HuffmanTable>();
  let frame: Pick<Headers, 'width' | 'height' | 'components'> | null = null;
  let restart = 0;
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; at + 4 <= bytes.length;) {
    const marker = view.getUint16(at);
    const end = at + 2 + view.getUint16(at + 2);
    const body = bytes.subarray(at + 4, end);
    if (marker < 0xffc0 || end > bytes.length) return null;
    if (marker === 0xffdb && !readSteps(body, scales)) return null;
    if (marker === 0xffc4 && !readCodes(body, dc, ac)) return null;
    if (marker === 0xffdd && body.length >= 2) restart = view.getUint16(at + 4);
    // Adobe's own marker says where three components are not YCbCr.
    if (marker === 0xffee && body.length >= 12 && view.getUint32(at + 4) === 0x41646f62 && body[11] !== 1)
      return null;
    // Only the baseline and the extended sequential kind, 8 bits.
    if (marker >= 0xffc2 && marker <= 0xffcf && marker !== 0xffc4) return null;
    if (marker === 0xffc0 || marker === 0xffc1) {
      frame = readFrame(body);
      if (!frame) return null;
    }
    if (marker === 0xffda) {
      const tables = frame && readScanHeader(body, frame.components);
      return frame && tables && { ...frame, tables, scales, dc, ac, restart, scan: end };
    }
    at = end;
  }
  return null;
}

function readSteps(body: Uint8Array, scales: Map<number, Int32Array>): boolean {
  for (let at = 0; at < body.length; at += 65) {
    if (body[at]! > 15 || at + 65 > body.length) return false;
    scales.set(body[at]!, fastScale(body.subarray(at + 1, at + 65)));
  }
  return true;
}

function readCodes(body: Uint8Array, dc: Map<number, HuffmanTable>, ac: Map<number, HuffmanTable>): boolean {
  for (let at = 0; at + 17 <= body.length;) {
    const kind = body[at]!;
    const counts = body.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total > 256 || at + 17 + total > body.length) return false;
    (kind < 16 ? dc : ac).set(kind & 15, huffmanTable(counts, body.slice(at + 17, at + 17 + total)));
    at += 17 + total;
  }
  return true;
}

function readFrame(body: Uint8Array): Pick<Headers, 'width' | 'height' | 'components'> | null {
  const count = body[5] ?? 0;
  if (body[0] !== 8 || (count !== 1 && count !== 3) || body.length < 6 + 3 * count) return null;
  const height = body[1]! * 256 + body[2]!;
  const width = body[3]! * 256 + body[4]!;
  if (width === 0 || height === 0 || width * height > MOST_PIXELS) return null;
  const components = Array.from({ length: count }, (_, i) => {
    const [id = 0, sampling = 0, quantisation = 0] = body.subarray(6 + 3 * i);
    // A single component has blocks in rows, whatever it says.
    return count === 1
      ? { id, h: 1, v: 1, quantisation }
      : { id, h: sampling >> 4, v: sampling & 15, quantisation };
  });
  const [y, cb, cr] = components;
  const usual = ['11', '21', '22'].includes(`${y!.h}${y!.v}`);
  const chroma = count === 1 || (cb!.h === 1 && cb!.v === 1 && cr!.h === 1 && cr!.v === 1);
  const isRgb = y!.id === 0x52 && cb?.id === 0x47;
  return usual && chroma && !isRgb ? { width, height, components } : null;
}

function readScanHeader(body: Uint8Array, components: readonly Component[]): Headers['tables'] | null {
  if (body[0] !== components.length || body.length < 1 + 2 * components.length) return null;
  const tables = components.map((component, i) => {
    const [id, which = 0] = body.subarray(1 + 2 * i);
    return id === component.id ? { dc: which >> 4, ac: which & 15 } : null;
  });
  return tables.every((table) => table !== null) ? tables : null;
}

function readScan(bytes: Uint8Array, headers: Headers): Plane[] | null {
  const { width, height, components, restart } = headers;
  const { h: mostH, v: mostV } = components[0]!;
  const across = Math.ceil(width / (8 * mostH));
  const down = Math.ceil(height / (8 * mostV));
  const parts = components.map(({ h, v, quantisation }, i) => {
    const { dc, ac } = headers.tables[i]!;
    const plane: Plane = {
      samples: new Uint8ClampedArray(across * h * 8 * down * v * 8),
      stride: across * h * 8,
      width: Math.ceil((width * h) / mostH),
      height: Math.ceil((height * v) / mostV),
    };
    const scale = headers.scales.get(quantisation);
    return { h, v, scale, dc: headers.dc.get(dc), ac: headers.ac.get(ac), plane, before: 0 };
  });
  const bits = new BitReader(bytes, headers.scan);
  const block = new Int32Array(64);
  for (let unit = 0; unit < across * down; unit++) {
    if (restart > 0 && unit > 0 && unit % restart === 0) {
      bits.restart();
      for (const part of parts) part.before = 0;
    }
    for (const part of parts) {
      const { h, v, scale, dc, ac, plane } = part;
      if (!scale || !dc || !ac) throw new BadScan('a table is missing');
      for (let i = 0; i < h * v; i++) {
        part.before = readBlock(bits, dc, ac, part.before, scale, block);
        const row = (Math.floor(unit / across) * v + Math.floor(i / h)) * 8;
        const column = ((unit % across) * h + (i % h)) * 8;
        inverseDct(block, plane.samples, row * plane.stride + column, plane.stride);
      }
    }
  }
  return parts.map(({ plane }) => plane);
}

function coloured(planes: readonly Plane[], { width, height, components }: Headers): FrameImage {
  const [luma, ...chroma] = planes;
  const { h, v } = components[0]!;
  const data = new Uint8ClampedArray(width * height * 4);
  const cb = new Uint8Array(width + 1);
  const cr = new Uint8Array(width + 1);
  for (let row = 0; row < height; row++) {
    if (chroma.length === 2) {
      upsample(chroma[0]!, row, h, v, cb);
      upsample(chroma[1]!, row, h, v, cr);
    } else {
      cb.fill(128);
      cr.fill(128);
    }
    for (let column = 0; column < width; column++) {
      // Fixed point of 16 bits, rounded as libjpeg rounds (jdcolor.c).
      const y = luma!.samples[row * luma!.stride + column]!;
      const b = cb[column]! - 128;
      const r = cr[column]! - 128;
      const at = 4 * (row * width + column);
      data[at] = y + ((91881 * r + 32768) >> 16);
      data[at + 1] = y + ((-22554 * b - 46802 * r + 32768) >> 16);
      data[at + 2] = y + ((116130 * b + 32768) >> 16);
      data[at + 3] = 255;
    }
  }
  return { width, height, data };
}

/** One row of a plane at full width, weighted 3 to 1 with its neighbours (jdsample.c, "fancy"); narrow ones are repeated. */
function upsample(plane: Plane, row: number, h: number, v: number, out: Uint8Array): void {
  const { samples, stride, width, height } = plane;
  const near = (v === 2 ? row >> 1 : row) * stride;
  if (h === 1) {
    for (let i = 0; i < width; i++) out[i] = samples[near + i]!;
    return;
  }
  if (width <= 2) {
    for (let i = 0; i < out.length; i++) out[i] = samples[near + (i >> 1)]!;
    return;
  }
  const neighbour =
    v === 2 ? Math.min(height - 1, Math.max(0, (row >> 1) + (row & 1 ? 1 : -1))) * stride : near;
  const both = v === 2;
  /** A column's samples, of this row and the neighbouring one. */
  const sum = (i: number) => (both ? 3 * samples[near + i]! + samples[neighbour + i]! : samples[near + i]!);
  const [shift, left, right] = both ? [4, 8, 7] : [2, 1, 2];
  for (let i = 0; i < width; i++) {
    const here = sum(i);
    const before = i > 0 ? sum(i - 1) : here;
    const after = i + 1 < width ? sum(i + 1) : here;
    out[2 * i] = (3 * here + before + left) >> shift;
    if (2 * i + 1 < out.length) out[2 * i + 1] = (3 * here + after + right) >> shift;
  }
}
