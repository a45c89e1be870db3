/** One HDF5 file, read by slices from wherever its bytes lie. */
import type { Metadata } from 'h5wasm';
import type { ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';
import { Hdf5Library, type SyncSource } from './hdf5-wasm.ts';

/** HDF5's numbers for objects and classes of types (H5Gpublic.h, H5Tpublic.h). */
const GROUP = 0;
const DATASET = 1;
const INTEGER = 0;
const FLOAT = 1;
const STRING = 3;
const ENUM = 8;
const VARIABLE_LENGTH = 9;
/** gzip, shuffle, Fletcher's checksum, szip, n-bit, scale-offset: what comes with HDF5 itself (H5Zpublic.h). */
const KNOWN_FILTERS = new Set([1, 2, 3, 4, 5, 6]);

const BLOCK = 64 * 2 ** 10;
/** Blocks fetched at once, where one is missing: what is asked for next mostly lies behind it. */
const BLOCKS_AHEAD = 3;
/** Blocks kept, of each file. */
const KEPT_BLOCKS = 512;
/** What one call may read, and one chunk may hold. */
const MOST_BYTES = 128 * 2 ** 20;
/** Calls made again for want of bytes. A chain of metadata is far shorter. */
const MOST_ATTEMPTS = 10_000;

export interface Hdf5Dataset {
  readonly path: string;
  readonly shape: readonly number[];
  /** As NumPy names it: float64, uint8; `string`; `bytes` for lists of them; other types by their HDF5 class. */
  readonly dtype: string;
  readonly itemBytes: number;
}

export class Hdf5File {
  readonly name: string;
  readonly #library: Hdf5Library;
  readonly #blocks: BlockCache;
  readonly #metadata = new Map<string, Metadata>();
  #id = -1n;
  #link: { path: string; unlink: () => void };

  private constructor(library: Hdf5Library, file: ByteReader, name: string) {
    this.name = name;
    this.#library = library;
    this.#blocks = new BlockCache(file);
    this.#link = library.link(this.#blocks);
  }

  /**
   * @param name in its folder, which may be shorter than the reader's own
   * @throws ModelError `bad-file` for what is not a whole HDF5 file
   */
  static async open(file: ByteReader, name = file.name): Promise<Hdf5File> {
    const opened = new Hdf5File(await Hdf5Library.load(), file, name);
    try {
      const { bindings } = opened.#library;
      opened.#id = await opened.#call(() => {
        const id = bindings.open(opened.#link.path, 0, false, -1, -1);
        if (id < 0n) throw new Error('it is not an HDF5 file, or truncated');
        return id;
      });
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /** Names in a group, as the file orders them; empty for what is not a group. */
  async names(path: string): Promise<string[]> {
    const { bindings } = this.#library;
    if (path !== '/' && (await this.#call(() => bindings.get_type(this.#id, path))) !== GROUP) return [];
    return this.#call(() => bindings.get_names(this.#id, path, false));
  }

  /** Null for what is not a dataset. @param path of something that `names` told of */
  async dataset(path: string): Promise<Hdf5Dataset | null> {
    const { bindings } = this.#library;
    if ((await this.#call(() => bindings.get_type(this.#id, path))) !== DATASET) return null;
    const about = await this.#call(() => bindings.get_dataset_metadata(this.#id, path));
    if (!about.shape) return null;
    const shape = about.shape.map(Number);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return null;
    this.#metadata.set(path, about);
    return { path, shape, dtype: dtypeOf(about), itemBytes: about.size };
  }

  /**
   * Rows [start, end) of a dataset, or all of one without dimensions.
   * @throws ModelError `bad-file`, or `unsupported` for a type, filter or size that is not read
   */
  async read(dataset: Hdf5Dataset, start = 0, end = dataset.shape[0] ?? 1): Promise<NumberArray> {
    const { path, shape, dtype, itemBytes } = dataset;
    await this.#checkStorage(dataset);
    const make = ARRAYS[dtype];
    if (!make) throw this.#unsupported(path, `is of type ${dtype}`, 'Numbers are read.');
    const whole = Number.isInteger(start) && Number.isInteger(end);
    if (!whole || start < 0 || start > end || end > (shape[0] ?? 1)) {
      throw new ModelError('bad-input', `${this.name}: rows ${start} to ${end} of ${path} were asked for.`);
    }
    const count = [...shape];
    if (count.length > 0) count[0] = end - start;
    const bytes = count.reduce((product, size) => product * size, itemBytes);
    if (bytes > MOST_BYTES) {
      throw this.#unsupported(
        path,
        `claims ${bytes} bytes for what is read at once`,
        `Up to ${MOST_BYTES} are read.`,
      );
    }
    if (bytes === 0) return make(new ArrayBuffer(0));
    const offset = count.map((_, i) => (i === 0 ? BigInt(start) : 0n));
    const { bindings } = this.#library;
    return this.#withMemory(bytes, (pointer) => {
      const status = bindings.get_dataset_data(
        this.#id,
        path,
        count.map(BigInt),
        offset,
        count.map(() => 1n),
        BigInt(pointer),
      );
      if (status < 0) throw new Error(`${path} cannot be read`);
      return make(bindings.HEAPU8.slice(pointer, pointer + bytes).buffer);
    });
  }

  /**
   * One element of a list of texts or of bytes, as it lies there: a text of fixed length with what pads it, a JPEG of its own length.
   * @throws ModelError `bad-file`, or `unsupported` for another type or size
   */
  async element(dataset: Hdf5Dataset, index: number): Promise<Uint8Array<ArrayBuffer>> {
    const { path, shape, dtype, itemBytes } = dataset;
    await this.#checkStorage(dataset);
    const about = this.#metadata.get(path)!;
    if (!(dtype === 'string' || dtype === BYTES) || shape.length > 1) {
      throw this.#unsupported(path, `is of type ${dtype}`, 'Texts and lists of bytes are read.');
    }
    if (!(itemBytes > 0 && itemBytes <= MOST_BYTES)) {
      throw this.#unsupported(
        path,
        `has elements of ${itemBytes} bytes`,
        `Elements of 1 to ${MOST_BYTES} are read.`,
      );
    }
    if (!(index >= 0 && index < (shape[0] ?? 1))) {
      throw new ModelError('bad-input', `${this.name}: element ${index} of ${path} was asked for.`);
    }
    // Of a scalar no slab can be asked for.
    const one = shape.length === 0 ? null : [1n];
    const at = one && [BigInt(index)];
    const { bindings } = this.#library;
    return this.#withMemory(itemBytes, (pointer) => {
      if (bindings.get_dataset_data(this.#id, path, one, at, one, BigInt(pointer)) < 0)
        throw new Error(`${path} cannot be read`);
      const raw = bindings.HEAPU8.slice(pointer, pointer + itemBytes);
      if (!about.vlen && dtype === 'string') return raw;
      // A pointer, or a length and a pointer, into memory that the library has made for it.
      const words = new Uint32Array(raw.buffer, 0, about.vlen ? 1 : 2);
      const start = words[words.length - 1]!;
      const end = about.vlen ? bindings.HEAPU8.indexOf(0, start) : start + words[0]!;
      const bytes =
        start === 0 || !(end <= bindings.HEAPU8.length)
          ? new Uint8Array()
          : bindings.HEAPU8.slice(start, end);
      if (one) bindings.reclaim_vlen_memory_count(this.#id, path, '', BigInt(pointer), one);
      else bindings.reclaim_vlen_memory(this.#id, path, '', BigInt(pointer));
      return bytes;
    });
  }

  /** A dataset of one text; null for what is none. */
  async text(dataset: Hdf5Dataset): Promise<string | null> {
    const { shape, dtype } = dataset;
    if (dtype !== 'string' || shape.length > 1 || (shape[0] ?? 1) !== 1) return null;
    return new TextDecoder().decode(await this.element(dataset, 0)).split('\0')[0]!;
  }

  /** An attribute as text or number; null where there is none, or of another type. */
  async attribute(path: string, name: string): Promise<string | number | null> {
    const { bindings } = this.#library;
    const names = await this.#call(() => bindings.get_attribute_names(this.#id, path));
    if (!names.includes(name)) return null;
    const about = await this.#call(() => bindings.get_attribute_metadata(this.#id, path, name));
    const bytes = about.size * about.total_size;
    if (about.total_size !== 1 || !(bytes > 0 && bytes <= MOST_BYTES)) return null;
    const make = ARRAYS[dtypeOf(about)];
    if (!make && about.type !== STRING) return null;
    return this.#withMemory(bytes, (pointer) => {
      if (bindings.get_attribute_data(this.#id, path, name, BigInt(pointer)) < 0) {
        throw new Error(`the attribute ${name} of ${path} cannot be read`);
      }
      const raw = bindings.HEAPU8.slice(pointer, pointer + bytes);
      if (make) return Number(make(raw.buffer)[0]);
      if (!about.vlen) return new TextDecoder().decode(raw).split('\0')[0]!;
      const text = new DataView(raw.buffer).getUint32(0, true);
      const value = text === 0 ? '' : bindings.UTF8ToString(text);
      bindings.reclaim_vlen_memory(this.#id, path, name, BigInt(pointer));
      return value;
    });
  }

  close(): void {
    if (this.#id >= 0n) this.#library.attempt(() => this.#library.bindings.close_file(this.#id));
    this.#id = -1n;
    this.#link.unlink();
    this.#blocks.clear();
  }

  /** What HDF5 would fill with zeros, or cannot undo, is refused before it is read. */
  async #checkStorage({ path }: Hdf5Dataset): Promise<void> {
    const about = this.#metadata.get(path);
    if (about?.virtual_sources) {
      throw this.#unsupported(
        path,
        'lies in other files (a virtual dataset)',
        'Copy it into one file with h5repack.',
      );
    }
    const chunk = about?.chunks?.reduce((product, size) => product * size, about.size) ?? 0;
    if (!(chunk <= MOST_BYTES)) {
      throw this.#unsupported(
        path,
        `is stored in chunks of ${chunk} bytes`,
        'Store it again in smaller chunks.',
      );
    }
    if (!about?.chunks) return;
    const filters = await this.#call(() => this.#library.bindings.get_dataset_filters(this.#id, path));
    const foreign = filters.find(({ id }) => !KNOWN_FILTERS.has(id));
    if (foreign) {
      const which = foreign.name.slice(0, 40) || String(foreign.id);
      throw this.#unsupported(
        path,
        `is compressed with the plugin ${which}`,
        'Store it again with gzip: h5repack -f GZIP=4 old.hdf5 new.hdf5.',
      );
    }
  }

  #unsupported(path: string, what: string, hint: string): ModelError {
    return new ModelError('unsupported', `${this.name}: ${path} ${what}.`, hint);
  }

  #withMemory<T>(bytes: number, use: (pointer: number) => T): Promise<T> {
    const { bindings } = this.#library;
    return this.#call(() => {
      const pointer = bindings._malloc(bytes);
      if (pointer === 0) throw new Error(`there is no memory for ${bytes} bytes`);
      try {
        bindings.HEAPU8.fill(0, pointer, pointer + bytes);
        return use(pointer);
      } finally {
        bindings._free(pointer);
      }
    });
  }

  /** Makes synchronous calls of HDF5, again and again until all the bytes they read have been fetched. */
  async #call<T>(calls: () => T): Promise<T> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      this.#blocks.missing.clear();
      const result = this.#library.attempt(calls);
      if (this.#blocks.missing.size > 0) {
        await this.#blocks.fetchMissing();
        continue;
      }
      this.#blocks.drop();
      if ('value' in result) return result.value;
      if (result.error instanceof ModelError) throw result.error;
      throw new ModelError(
        'bad-file',
        `${this.name} cannot be read as HDF5: ${reasonOf(result)}.`,
        'The file is damaged or truncated; copy it again.',
        { cause: result.error },
      );
    }
    throw new ModelError(
      'bad-file',
      `${this.name} does not come to an end of its metadata.`,
      'Copy it again.',
    );
  }
}

/** HDF5's last, innermost words; else what was thrown. */
function reasonOf({ error, complaint }: { error: unknown; complaint: string }): string {
  const words = [...complaint.matchAll(/ in \w+\(\): ([^\n]{1,120})/g)].at(-1)?.[1];
  if (words) return words.split(': time =')[0]!;
  return error instanceof Error ? error.message.slice(0, 200) : 'HDF5 gave up';
}

export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array<ArrayBuffer>
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const ARRAYS: Readonly<Record<string, (buffer: ArrayBuffer) => NumberArray>> = {
  float16: (buffer) => Float32Array.from(new Uint16Array(buffer), halfToFloat),
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
};

/** Lists of bytes, each of its own length. */
export const BYTES = 'bytes';

function dtypeOf({ type, size, signed, vlen_type: element }: Metadata): string {
  if (type === FLOAT) return `float${size * 8}`;
  if (type === INTEGER) return `${signed ? 'int' : 'uint'}${size * 8}`;
  if (type === STRING) return 'string';
  if (type === VARIABLE_LENGTH && element?.type === INTEGER && element.size === 1) return BYTES;
  // h5py's booleans are an enumeration of a byte.
  return type === ENUM && size === 1 ? 'bool' : `class ${type}`;
}

function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Header of a global heap, and of each of its objects (HDF5 File Format Specification, III.E). */
const HEAP_HEADER = 16;
/** WebAssembly's memory: HDF5 keeps the lower 32 bits of a larger size, which may be none. */
const MOST_HEAP_OBJECT = 2n ** 31n;

/**
 * A global heap (texts of variable length) with an object of no size: HDF5 2.0 walks round in such a one for ever, and cannot be stopped.
 * Its reads begin where the heap does.
 */
function isEndlessHeap(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 2 * HEAP_HEADER || view.getUint32(0) !== 0x47434f4c) return false;
  const end = Math.min(bytes.length, Number(view.getBigUint64(8, true)));
  for (let at = HEAP_HEADER; at + HEAP_HEADER <= end;) {
    const size = view.getBigUint64(at + 8, true);
    const isFree = view.getUint16(at, true) === 0;
    if ((isFree && size < BigInt(HEAP_HEADER)) || size > MOST_HEAP_OBJECT) return true;
    at += isFree ? Number(size) : HEAP_HEADER + 8 * Math.ceil(Number(size) / 8);
  }
  return false;
}

/** The parts of a file that have been fetched. */
class BlockCache implements SyncSource {
  readonly byteLength: number;
  readonly missing = new Set<number>();
  readonly #file: ByteReader;
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(file: ByteReader) {
    this.#file = file;
    this.byteLength = file.byteLength;
  }

  read(position: number, into: Uint8Array): boolean {
    const end = position + into.byteLength;
    const before = this.missing.size;
    for (let block = Math.floor(position / BLOCK); block * BLOCK < end; block++) {
      const bytes = this.#blocks.get(block);
      if (!bytes) {
        this.missing.add(block);
        continue;
      }
      const at = block * BLOCK;
      const from = Math.max(position, at);
      into.set(bytes.subarray(from - at, Math.min(end - at, bytes.byteLength)), from - position);
    }
    return this.missing.size === before && !isEndlessHeap(into);
  }

  /** @throws ModelError `unsupported` where one call wants more than fits, `download-failed` */
  async fetchMissing(): Promise<void> {
    if ((this.#blocks.size + this.missing.size) * BLOCK > 2 * MOST_BYTES + KEPT_BLOCKS * BLOCK) {
      throw new ModelError(
        'unsupported',
        `${this.#file.name} has to be read in pieces that are too large.`,
        'Store it again in smaller chunks, with h5repack.',
      );
    }
    const wanted = [...this.missing].toSorted((a, b) => a - b);
    const last = Math.ceil(this.byteLength / BLOCK) - 1;
    while (wanted.length > 0) {
      const first = wanted[0]!;
      let until = first;
      while (wanted.length > 0 && wanted[0]! <= until + 1) until = wanted.shift()!;
      until = Math.min(last, until + BLOCKS_AHEAD);
      const bytes = await this.#file.slice(first * BLOCK, Math.min(this.byteLength, (until + 1) * BLOCK));
      for (let block = first; block <= until; block++) {
        const at = (block - first) * BLOCK;
        this.#blocks.delete(block);
        this.#blocks.set(block, bytes.subarray(at, at + BLOCK));
      }
    }
  }

  /** Forgets the oldest blocks. Not while a call is being made again: it needs all of its blocks at once. */
  drop(): void {
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= KEPT_BLOCKS) return;
      this.#blocks.delete(oldest);
    }
  }

  clear(): void {
    this.#blocks.clear();
  }
}
