/** A zip as the folder it holds. Stored entries are read by ranges, compressed ones are inflated once, when they are opened. */
import { Reader, Uint8ArrayWriter, ZipReader, type FileEntry } from '@zip.js/zip.js';
import { ModelError } from '../base/errors.ts';
import { byteReader, memoryReader, type ByteReader } from './byte-reader.ts';
import { missingFile, type Folder } from './folder.ts';
import { cleanPath } from './paths.ts';

/** Larger claims than this, or entries that inflate to more than a thousand times their size, are an attack. */
const MOST_ENTRIES = 200_000;
const MOST_ENTRY_BYTES = 16 * 2 ** 30;
const MOST_RATIO = 1000;
/** Compressed entries are inflated whole. */
const MOST_INFLATED = 2 * 2 ** 30;
/** What was inflated last is kept up to this size: Parquet and video readers come back for more. */
const KEPT_BYTES = 256 * 2 ** 20;
/** Length of a local file header before its two variable parts (APPNOTE.TXT 4.3.7). */
const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER = 0x04034b50;

export interface ZipOptions {
  /** Refuses compressed entries: every range of every entry is then read directly. */
  readonly storedOnly?: boolean;
}

/**
 * @param zip a local file, or one on a server: its directory and entries are read by ranges
 * @throws ModelError `bad-file` for a damaged or hostile zip, `unsupported` for an encrypted one
 */
export async function zipFolder(name: string, zip: ByteReader, options: ZipOptions = {}): Promise<Folder> {
  const files = await entriesOf(name, zip, options);
  const inflated = new InflatedEntries();
  return {
    name: name.replace(/\.zip$/i, ''),
    has: async (path) => files.has(path),
    open: async (path) => {
      const entry = files.get(path);
      if (!entry) throw missingFile(name, path);
      return entry.compressionMethod === 0
        ? storedReader(zip, entry, path)
        : inflated.open(path, () => inflate(name, entry));
    },
    list: async () => [...files.keys()].toSorted(),
  };
}

/** zip.js reads through this. */
class ByteReaderSource extends Reader<ByteReader> {
  readonly #file: ByteReader;

  constructor(file: ByteReader) {
    super(file);
    this.#file = file;
    this.size = file.byteLength;
  }

  override readUint8Array(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#file.slice(offset, Math.min(this.#file.byteLength, offset + length));
  }
}

async function entriesOf(
  name: string,
  zip: ByteReader,
  { storedOnly = false }: ZipOptions,
): Promise<Map<string, FileEntry>> {
  const files = new Map<string, FileEntry>();
  try {
    const reader = new ZipReader(new ByteReaderSource(zip), { useWebWorkers: false });
    let count = 0;
    for await (const entry of reader.getEntriesGenerator()) {
      if (++count > MOST_ENTRIES) throw hostile(name, `has over ${MOST_ENTRIES} entries`);
      if (entry.directory || /[\\/]$/.test(entry.filename)) continue;
      const path = cleanPath(entry.filename, name);
      if (path === null) continue;
      checkEntry(name, path, entry);
      if (storedOnly && entry.compressionMethod !== 0) {
        throw new ModelError('unsupported', `${name}: its record "${path}" is compressed.`, AGAIN);
      }
      if (files.has(path)) throw hostile(name, `holds ${path} twice`);
      files.set(path, entry);
    }
  } catch (error) {
    throw asModelError(error, `${name} is not a zip, or a damaged one`);
  }
  return files;
}

function checkEntry(name: string, path: string, entry: FileEntry): void {
  const { uncompressedSize, compressedSize, encrypted } = entry;
  if (encrypted) {
    throw new ModelError('unsupported', `${name}: ${path} is encrypted.`, 'Unpack it and choose the folder.');
  }
  if (uncompressedSize > MOST_ENTRY_BYTES || uncompressedSize > MOST_RATIO * Math.max(1024, compressedSize)) {
    throw hostile(name, `claims ${uncompressedSize} bytes for ${path}`);
  }
}

/** The local header is read before the entry's first bytes only: an archive on a server may have a thousand entries far apart. */
async function storedReader(zip: ByteReader, entry: FileEntry, path: string): Promise<ByteReader> {
  const { uncompressedSize: size } = entry;
  let start: Promise<number> | null = null;
  const dataStart = () => {
    start ??= startOf(zip, entry, path);
    start.catch(() => (start = null));
    return start;
  };
  const local = zip.blob && (await dataStart());
  const reader = byteReader(
    path,
    size,
    async (from, to) => {
      const at = await dataStart();
      return zip.slice(at + from, at + to);
    },
    local === undefined ? undefined : zip.blob?.slice(local, local + size),
  );
  return { ...reader, within: async () => ({ file: zip, start: await dataStart() }) };
}

async function startOf(
  zip: ByteReader,
  { offset, uncompressedSize }: FileEntry,
  path: string,
): Promise<number> {
  const header = new DataView((await zip.slice(offset, offset + LOCAL_HEADER_BYTES)).buffer);
  const start = offset + LOCAL_HEADER_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
  if (header.getUint32(0, true) === LOCAL_HEADER && start + uncompressedSize <= zip.byteLength) return start;
  throw new ModelError(
    'bad-file',
    `The zip is damaged at ${path}: it is not where its directory says.`,
    AGAIN,
  );
}

async function inflate(name: string, entry: FileEntry): Promise<Uint8Array<ArrayBuffer>> {
  const { filename, uncompressedSize } = entry;
  if (uncompressedSize > MOST_INFLATED) {
    throw new ModelError(
      'unsupported',
      `${name}: ${filename} is compressed and has ${uncompressedSize} bytes; up to ${MOST_INFLATED} are inflated.`,
      'Unpack it and choose the folder, or pack it without compression.',
    );
  }
  try {
    const bytes = await entry.getData(new Uint8ArrayWriter(), { checkSignature: true, useWebWorkers: false });
    return new Uint8Array(bytes);
  } catch (error) {
    throw asModelError(error, `${name}: ${filename} is damaged`);
  }
}

/** Inflated entries by path, the least recently opened ones dropped when they become too many bytes. */
class InflatedEntries {
  readonly #kept = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  readonly #sizes = new Map<string, number>();

  async open(path: string, inflateIt: () => Promise<Uint8Array<ArrayBuffer>>): Promise<ByteReader> {
    const known = this.#kept.get(path);
    const bytes = known ?? inflateIt();
    this.#kept.delete(path);
    this.#kept.set(path, bytes);
    try {
      const got = await bytes;
      this.#sizes.set(path, got.byteLength);
      this.#drop();
      return memoryReader(got, path);
    } catch (error) {
      if (this.#kept.get(path) === bytes) this.#kept.delete(path);
      throw error;
    }
  }

  #drop(): void {
    let total = [...this.#kept.keys()].reduce((sum, path) => sum + (this.#sizes.get(path) ?? 0), 0);
    for (const path of this.#kept.keys()) {
      if (total <= KEPT_BYTES || this.#kept.size === 1) return;
      total -= this.#sizes.get(path) ?? 0;
      this.#kept.delete(path);
    }
  }
}

const AGAIN = 'Copy or download the file again.';

function hostile(name: string, what: string): ModelError {
  return new ModelError(
    'bad-file',
    `${name} is refused: it ${what}.`,
    'Pack the folder itself, and nothing else.',
  );
}

function asModelError(error: unknown, what: string): ModelError {
  if (error instanceof ModelError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ModelError('bad-file', `${what}: ${reason}.`, AGAIN, { cause: error });
}
