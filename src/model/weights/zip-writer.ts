/**
 * Zips whose entries are stored, each starting at a multiple of 64 bytes, with a length known before anything is written.
 *
 * Our own and not zip.js: torch's archives pad every entry so that its tensors can be mapped, and need zip64 beyond 4 GB; zip.js aligns in its
 * USDZ mode only, which has no zip64, and does not tell the length in advance.
 */
import { ModelError } from '../../base/errors.ts';

/** A file that does not exist yet: its length is known, its bytes are made as they are read. */
export interface ByteSource {
  readonly byteLength: number;
  /** The bytes in order, in pieces of some MB; each piece is the reader's own. Can be called again. */
  chunks(): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

export interface StoredEntry extends ByteSource {
  readonly name: string;
}

/** As torch (caffe2/serialize/inline_container.cc, kFieldAlignment): storages can be mapped into memory. */
const ALIGNMENT = 64;
/** The id `FB` that torch gives its padding. */
const PADDING_ID = 0x4246;
const LOCAL_HEADER = 30;
const DESCRIPTOR = 16;
const CENTRAL_HEADER = 46;
const MAX_32 = 0xffffffff;
/** Names are UTF-8 (bit 11), CRC and sizes follow the data (bit 3), so that the data is read once. */
const FLAGS = 0x0808;
/** 1980-01-01: the same tensors give the same bytes. */
const DATE = 0x0021;

export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    byteLength: bytes.byteLength,
    chunks: async function* () {
      yield bytes.slice();
    },
  };
}

/** Everything at once, for small files and tests. */
export async function collectBytes(source: ByteSource): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(source.byteLength);
  let at = 0;
  for await (const chunk of source.chunks()) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/**
 * @throws ModelError `unsupported` for an entry of 4 GiB or more: none of a checkpoint's modules has one tensor of that size. Reading fails with
 * `bad-file` when an entry gives other than the bytes it announced.
 */
export function storedZip(
  entries: readonly StoredEntry[],
  /** Offsets that zip64 holds; lower ones for tests. */
  { zip64From = MAX_32 }: { readonly zip64From?: number } = {},
): ByteSource {
  const placed: Placed[] = [];
  let offset = 0;
  for (const entry of entries) {
    if (entry.byteLength >= MAX_32) {
      throw new ModelError(
        'unsupported',
        `"${entry.name}" has ${entry.byteLength} bytes; entries below 4 GiB are written.`,
      );
    }
    const name = new TextEncoder().encode(entry.name);
    const start = offset + LOCAL_HEADER + name.length + 4;
    const padding = 4 + ((ALIGNMENT - (start % ALIGNMENT)) % ALIGNMENT);
    placed.push({ entry, name, offset, padding, far: offset >= zip64From });
    offset += LOCAL_HEADER + name.length + padding + entry.byteLength + DESCRIPTOR;
  }
  const directorySize = placed.reduce((sum, part) => sum + centralLength(part), 0);
  const end = endRecords(placed.length, offset, directorySize);
  return {
    byteLength: offset + directorySize + end.length,
    chunks: async function* () {
      const directory: Uint8Array<ArrayBuffer>[] = [];
      for (const part of placed) {
        yield localHeader(part);
        let crc = MAX_32;
        let length = 0;
        for await (const chunk of part.entry.chunks()) {
          crc = crc32(chunk, crc);
          length += chunk.byteLength;
          yield chunk;
        }
        if (length !== part.entry.byteLength) {
          throw new ModelError(
            'bad-file',
            `"${part.entry.name}" gave ${length} bytes, ${part.entry.byteLength} were announced.`,
          );
        }
        crc = (crc ^ MAX_32) >>> 0;
        yield record(
          DESCRIPTOR,
          [0x08074b50, crc, length, length].map((value) => [4, value]),
        );
        directory.push(centralHeader(part, crc));
      }
      yield joinBytes([...directory, end]);
    },
  };
}

interface Placed {
  readonly entry: StoredEntry;
  readonly name: Uint8Array;
  readonly offset: number;
  /** Bytes of the extra field that moves the data to its alignment. */
  readonly padding: number;
  /** The offset is in a zip64 field. */
  readonly far: boolean;
}

/** A field: its width in bytes and its value. */
type Field = readonly [width: 2 | 4 | 8, value: number];

function record(length: number, fields: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of fields as readonly Field[]) {
    if (width === 2) view.setUint16(at, value, true);
    else if (width === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += width;
  }
  return bytes;
}

function localHeader({ name, padding }: Placed): Uint8Array<ArrayBuffer> {
  const header = record(LOCAL_HEADER, [
    [4, 0x04034b50],
    [2, 20],
    [2, FLAGS],
    [2, 0],
    [2, 0],
    [2, DATE],
    [4, 0],
    [4, 0],
    [4, 0],
    [2, name.length],
    [2, padding],
  ]);
  const extra = record(padding, [
    [2, PADDING_ID],
    [2, padding - 4],
  ]).fill(0x5a, 4);
  return joinBytes([header, name, extra]);
}

const centralLength = ({ name, far }: Placed): number => CENTRAL_HEADER + name.length + (far ? 12 : 0);

function centralHeader({ entry, name, offset, far }: Placed, crc: number): Uint8Array<ArrayBuffer> {
  const header = record(CENTRAL_HEADER, [
    [4, 0x02014b50],
    [2, far ? 45 : 20],
    [2, far ? 45 : 20],
    [2, FLAGS],
    [2, 0],
    [2, 0],
    [2, DATE],
    [4, crc],
    [4, entry.byteLength],
    [4, entry.byteLength],
    [2, name.length],
    [2, far ? 12 : 0],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, far ? MAX_32 : offset],
  ]);
  const extra = far
    ? record(12, [
        [2, 1],
        [2, 8],
        [8, offset],
      ])
    : new Uint8Array();
  return joinBytes([header, name, extra]);
}

/** The zip64 records are written always, as torch does; readers that do not know them skip them. */
function endRecords(count: number, offset: number, size: number): Uint8Array<ArrayBuffer> {
  const end64 = record(56, [
    [4, 0x06064b50],
    [8, 44],
    [2, 45],
    [2, 45],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, size],
    [8, offset],
  ]);
  const locator = record(20, [
    [4, 0x07064b50],
    [4, 0],
    [8, offset + size],
    [4, 1],
  ]);
  const short = Math.min(count, 0xffff);
  const end = record(22, [
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, short],
    [2, short],
    [4, Math.min(size, MAX_32)],
    [4, Math.min(offset, MAX_32)],
    [2, 0],
  ]);
  return joinBytes([end64, locator, end]);
}

/** One after another in an array of their own. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Four tables (slicing by 4): a checkpoint has gigabytes, and one table takes three times as long. */
const CRC_TABLES = (() => {
  const tables = Array.from({ length: 4 }, () => new Uint32Array(256));
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[0]![i] = crc;
  }
  for (let t = 1; t < 4; t++) {
    for (let i = 0; i < 256; i++) {
      const before = tables[t - 1]![i]!;
      tables[t]![i] = (before >>> 8) ^ tables[0]![before & 255]!;
    }
  }
  return tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
})();

/** CRC-32 of zip, to be continued: starts at 0xffffffff and is inverted at the end. */
function crc32(bytes: Uint8Array, start: number): number {
  const [t0, t1, t2, t3] = CRC_TABLES;
  let crc = start;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc = t3[crc & 255]! ^ t2[(crc >>> 8) & 255]! ^ t1[(crc >>> 16) & 255]! ^ t0[crc >>> 24]!;
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]!) & 255]!;
  return crc >>> 0;
}
