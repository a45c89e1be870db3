/** TFRecord files: a length, its checksum, the record, its checksum, one after the other (tensorflow, lib/io/record_writer.cc). */
import { byteReader, memoryReader, type ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';

const HEADER = 12;
const FOOTER = 4;
/** A record up to this size is held while it is open; a larger one is read by ranges, after its checksum was taken. */
const HELD_BYTES = 64 * 2 ** 20;
const PIECE = 8 * 2 ** 20;

export interface RecordPlace {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the records lie: only their headers are read.
 * @param count how many there have to be
 * @throws ModelError `bad-file` for a damaged or truncated file, or another number of records
 */
export async function indexRecords(file: ByteReader, count: number): Promise<RecordPlace[]> {
  const places: RecordPlace[] = [];
  let at = 0;
  while (at < file.byteLength) {
    if (at + HEADER + FOOTER > file.byteLength) throw truncated(file.name);
    const header = await file.slice(at, at + HEADER);
    const view = new DataView(header.buffer);
    if (masked(crc32c(header.subarray(0, 8))) !== view.getUint32(8, true)) {
      throw new ModelError(
        'bad-file',
        `${file.name} is not a TFRecord file, or damaged at byte ${at}: the checksum of a record’s length is wrong.`,
        'Copy the dataset again.',
      );
    }
    const length = view.getBigUint64(0, true);
    const start = at + HEADER;
    if (BigInt(start) + length + BigInt(FOOTER) > BigInt(file.byteLength)) throw truncated(file.name);
    const end = start + Number(length);
    places.push({ start, end });
    if (places.length > count) break;
    at = end + FOOTER;
  }
  if (places.length === count) return places;
  throw new ModelError(
    'bad-file',
    `${file.name} has ${places.length > count ? `more than ${count}` : places.length} records; dataset_info.json says ${count}.`,
    'Copy the dataset again.',
  );
}

/** One record, unchecked, by ranges. */
export function recordAt(file: ByteReader, { start, end }: RecordPlace): ByteReader {
  return byteReader(file.name, end - start, (from, to) => file.slice(start + from, start + to));
}

/**
 * One record whose checksum is right.
 * @throws ModelError `bad-file` where it is not
 */
export async function checkedRecord(file: ByteReader, place: RecordPlace): Promise<ByteReader> {
  const { start, end } = place;
  const footer = new DataView((await file.slice(end, end + FOOTER)).buffer).getUint32(0, true);
  let crc = 0;
  let held: Uint8Array<ArrayBuffer> | null = null;
  if (end - start <= HELD_BYTES) {
    held = await file.slice(start, end);
    crc = crc32c(held);
  } else {
    for (let at = start; at < end; at += PIECE)
      crc = crc32c(await file.slice(at, Math.min(end, at + PIECE)), crc);
  }
  if (masked(crc) !== footer) {
    throw new ModelError(
      'bad-file',
      `${file.name} is damaged: the checksum of the record at byte ${start - HEADER} is wrong.`,
      'Copy the dataset again.',
    );
  }
  return held ? memoryReader(held, file.name) : recordAt(file, place);
}

function truncated(name: string): ModelError {
  return new ModelError(
    'bad-file',
    `${name} ends inside a record.`,
    'It is truncated; copy the dataset again.',
  );
}

/** Eight tables, so that eight bytes are taken at once. Castagnoli's polynomial, reflected. */
const TABLES = (() => {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  const [first] = tables;
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    first![i] = crc;
  }
  for (let k = 1; k < 8; k++) {
    for (let i = 0; i < 256; i++) {
      const before = tables[k - 1]![i]!;
      tables[k]![i] = first![before & 255]! ^ (before >>> 8);
    }
  }
  return tables;
})();

/** @param crc of the bytes before, where they go on */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let c = ~crc >>> 0;
  let i = 0;
  for (; i + 8 <= bytes.length; i += 8) {
    c ^= view.getUint32(i, true);
    const d = view.getUint32(i + 4, true);
    c =
      t7[c & 255]! ^
      t6[(c >>> 8) & 255]! ^
      t5[(c >>> 16) & 255]! ^
      t4[c >>> 24]! ^
      t3[d & 255]! ^
      t2[(d >>> 8) & 255]! ^
      t1[(d >>> 16) & 255]! ^
      t0[d >>> 24]!;
  }
  for (; i < bytes.length; i++) c = t0[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** Checksums are stored so, as records may hold checksums themselves. */
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
