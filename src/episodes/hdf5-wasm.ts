/**
 * The HDF5 library (h5wasm: HDF5 2.0 as WebAssembly) with a file system whose files are block caches.
 *
 * HDF5 reads synchronously, our bytes come asynchronously: from a Blob, a zip, a server. A read of what is not there yet fails with EIO,
 * HDF5 unwinds as from any failed read, the blocks are fetched, and the call is made again (`hdf5-file.ts`). So one way serves every place
 * and host, no file is copied, and no file of the host can be reached by a link inside a hostile file.
 */
import type { Metadata } from 'h5wasm';

/** What is used of h5wasm's bindings. Ids and pointers as it takes them. */
interface Bindings {
  readonly HEAPU8: Uint8Array;
  readonly FS: EmscriptenFS;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  ccall(name: string, returns: null, types: readonly string[], values: readonly string[]): void;
  UTF8ToString(pointer: number): string;
  open(path: string, mode: number, trackOrder: boolean, low: number, high: number): bigint;
  close_file(file: bigint): number;
  get_type(file: bigint, path: string): number;
  get_names(file: bigint, path: string, recursive: boolean): string[];
  get_dataset_metadata(file: bigint, path: string): Metadata;
  get_dataset_filters(file: bigint, path: string): { id: number; name: string }[];
  get_dataset_data(
    file: bigint,
    path: string,
    count: bigint[] | null,
    offset: bigint[] | null,
    strides: bigint[] | null,
    pointer: bigint,
  ): number;
  get_attribute_names(file: bigint, path: string): string[];
  get_attribute_metadata(file: bigint, path: string, name: string): Metadata;
  get_attribute_data(file: bigint, path: string, name: string, pointer: bigint): number;
  reclaim_vlen_memory_count(
    file: bigint,
    path: string,
    name: string,
    pointer: bigint,
    count: bigint[],
  ): number;
  reclaim_vlen_memory(file: bigint, path: string, name: string, pointer: bigint): number;
}

interface FSNode {
  readonly id: number;
  readonly mode: number;
  node_ops: object;
  stream_ops: object;
}

interface FSStream {
  position: number;
  stream_ops: object;
}

interface EmscriptenFS {
  readonly ErrnoError: new (errno: number) => Error;
  readonly streams: readonly (FSStream | undefined)[];
  mkdir(path: string): unknown;
  mount(type: object, options: object, path: string): unknown;
  createNode(parent: FSNode | null, name: string, mode: number, device: number): FSNode;
  destroyNode(node: FSNode): void;
}

/** WASI's numbers, as emscripten uses them. */
const EINVAL = 28;
const EIO = 29;
const ENOENT = 44;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** What HDF5 reads from. */
export interface SyncSource {
  readonly byteLength: number;
  /** Copies bytes at `position`; false where they are not there yet. */
  read(position: number, into: Uint8Array): boolean;
}

export class Hdf5Library {
  readonly bindings: Bindings;
  readonly #root: FSNode;
  #files = 0;
  #complaint = '';

  private constructor(bindings: Bindings) {
    this.bindings = bindings;
    const { FS } = bindings;
    // HDF5 explains failures on stderr only, and h5wasm leaves some of its return values unread: whatever is said there is a failure.
    const stderr = FS.streams[2];
    if (stderr) {
      stderr.stream_ops = {
        ...stderr.stream_ops,
        write: (_: FSStream, buffer: ArrayLike<number>, offset: number, length: number) => {
          this.#hear(buffer, offset, length);
          return length;
        },
      };
    }
    let root: FSNode | null = null;
    FS.mkdir(MOUNT);
    FS.mount(
      {
        mount: () => {
          root = FS.createNode(null, '/', S_IFDIR | 0o555, 0);
          root.node_ops = {
            getattr: (node: FSNode) => attributes(node, 0),
            lookup: () => {
              throw new FS.ErrnoError(ENOENT);
            },
          };
          root.stream_ops = {};
          return root;
        },
      },
      {},
      MOUNT,
    );
    this.#root = root!;
  }

  static #loaded: Promise<Hdf5Library> | null = null;

  /** Loaded once, when the first HDF5 file is opened (4 MB). */
  static load(): Promise<Hdf5Library> {
    const loading = (Hdf5Library.#loaded ??= (async () => {
      const { ready } = await import('h5wasm');
      return new Hdf5Library((await ready) as unknown as Bindings);
    })());
    loading.catch(() => (Hdf5Library.#loaded = null));
    return loading;
  }

  /** Makes a source a file. */
  link(source: SyncSource): { path: string; unlink: () => void } {
    const { FS } = this.bindings;
    const name = `${this.#files++}.h5`;
    const node = FS.createNode(this.#root, name, S_IFREG | 0o444, 0);
    node.node_ops = { getattr: (of: FSNode) => attributes(of, source.byteLength) };
    node.stream_ops = {
      llseek: (stream: FSStream, offset: number, whence: number) => {
        const from = whence === 1 ? stream.position : whence === 2 ? source.byteLength : 0;
        if (from + offset < 0) throw new FS.ErrnoError(EINVAL);
        return from + offset;
      },
      read: (_: FSStream, buffer: Uint8Array, offset: number, length: number, position: number) => {
        const end = Math.min(source.byteLength, position + length);
        if (!(position < end)) return 0;
        const into = buffer.subarray(offset, offset + end - position);
        if (!source.read(position, into)) throw new FS.ErrnoError(EIO);
        return end - position;
      },
    };
    return { path: `${MOUNT}/${name}`, unlink: () => FS.destroyNode(node) };
  }

  /**
   * Makes calls of the library.
   * @returns what they return, or what they threw, and HDF5's own words about what went wrong
   */
  attempt<T>(calls: () => T): { value: T } | { error: unknown; complaint: string } {
    this.#complaint = '';
    let result: { value: T } | { error: unknown } = { error: null };
    // h5wasm throws through its own C++ frames, which then stay on the C stack. `ccall` notes the stack pointer before a call with a string,
    // and sets it back after one that returns.
    Object.assign(this.bindings, {
      _attempt: () => {
        try {
          result = { value: calls() };
        } catch (error) {
          result = { error };
        }
        return 0;
      },
    });
    this.bindings.ccall('attempt', null, ['string'], ['-']);
    const outcome = result as { value: T } | { error: unknown };
    if ('value' in outcome && this.#complaint === '') return outcome;
    return { error: 'error' in outcome ? outcome.error : null, complaint: this.#complaint };
  }

  #hear(buffer: ArrayLike<number>, offset: number, length: number): void {
    if (this.#complaint.length > MOST_COMPLAINT) return;
    for (let i = offset; i < offset + length; i++) this.#complaint += String.fromCharCode(buffer[i]!);
  }
}

const MOUNT = '/opened';
const MOST_COMPLAINT = 8000;

function attributes(node: FSNode, size: number): object {
  const time = new Date(0);
  return {
    dev: 1,
    ino: node.id,
    mode: node.mode,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size,
    atime: time,
    mtime: time,
    ctime: time,
    blksize: 4096,
    blocks: Math.ceil(size / 4096),
  };
}
