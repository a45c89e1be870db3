/** One HDF5 file, read by slices from wherever its bytes lie. */
import type { Metadata } from 'h5wasm';
import type { ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';
import { BlockCache, MOST_BYTES } from './hdf5-blocks.ts';
import { ARRAYS, BYTES, dtypeOf, STRING, type NumberArray } from './hdf5-types.ts';
import { Hdf5Library } from './hdf5-wasm.ts';

/** HDF5's numbers for objects (H5Gpublic.h). */
const GROUP = 0;
const DATASET = 1;
/** gzip, shuffle, Fletcher's checksum, szip, n-bit, scale-offset: what comes with HDF5 itself (H5Zpublic.h). */
const KNOWN_FILTERS = new Set([1, 2, 3, 4, 5, 6]);

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
