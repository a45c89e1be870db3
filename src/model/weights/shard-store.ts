import { ModelError } from '../../base/errors.ts';

/** An open file that grows at its end. */
export interface Appender {
  readonly byteLength: number;
  /** @throws ModelError `storage-full`; what was written before stays. */
  append(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** An open file that is written in any order. */
export interface StoredFile {
  readonly byteLength: number;
  /** Bytes [start, end), into a part of `buffer` where it is large enough. */
  read(start: number, end: number, buffer?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
  /** @throws ModelError `storage-full` */
  write(bytes: Uint8Array<ArrayBuffer>, at: number): void;
  /** Cuts it off, or appends zeros. @throws ModelError `storage-full` */
  resize(byteLength: number): void;
  /** What is written survives the end of the page. */
  flush(): void;
  close(): void;
}

/**
 * Files on this device, in one folder per package (or, in a store of its own, per fine-tuning run). A file may be partial:
 * its length says how far it got.
 */
export interface ShardStore {
  packages(): Promise<string[]>;
  files(pack: string): Promise<string[]>;
  /** Bytes there are of a file; 0 when there is none. */
  byteLength(pack: string, path: string): Promise<number>;
  read(pack: string, path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Replaces a small file as a whole. */
  write(pack: string, path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  appender(pack: string, path: string): Promise<Appender>;
  /** Made where there is none. @throws ModelError `bad-file` while it is open elsewhere, `storage-full` */
  file(pack: string, path: string): Promise<StoredFile>;
  remove(pack: string, path: string): Promise<void>;
  removePackage(pack: string): Promise<void>;
  /**
   * Runs `task` while no other tab works on the same package.
   * @throws ModelError `cancelled` when the signal comes while another tab still does
   */
  exclusively<T>(pack: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** @param missing bytes that are still to be stored, where that is known */
export function storageFull(path: string, cause?: unknown, missing?: number): ModelError {
  const needed = missing === undefined ? '' : `; ${(missing / 1e6).toFixed(1)} MB are still needed`;
  return new ModelError(
    'storage-full',
    `There is no room left on this device for ${path}${needed}.`,
    'Free some disk space or delete packages you no longer use, then load again: it resumes where it stopped.',
    { cause },
  );
}

export function cancelled(cause?: unknown): ModelError {
  return new ModelError(
    'cancelled',
    'Loading was cancelled.',
    'What was downloaded stays; loading again resumes there.',
    { cause },
  );
}

/** Keeps everything in memory: for tests, and for browsers without OPFS. */
export function memoryShardStore(options: { quota?: number } = {}): ShardStore {
  const packages = new Map<string, Map<string, Uint8Array<ArrayBuffer>>>();
  const filesOf = (pack: string) => {
    const files = packages.get(pack) ?? new Map<string, Uint8Array<ArrayBuffer>>();
    packages.set(pack, files);
    return files;
  };
  const used = () =>
    [...packages.values()]
      .flatMap((files) => [...files.values()])
      .reduce((sum, bytes) => sum + bytes.byteLength, 0);
  const locks = new Map<string, Promise<unknown>>();
  return {
    packages: async () => [...packages.keys()],
    files: async (pack) => [...(packages.get(pack)?.keys() ?? [])],
    byteLength: async (pack, path) => packages.get(pack)?.get(path)?.byteLength ?? 0,
    read: async (pack, path) => {
      const bytes = packages.get(pack)?.get(path);
      if (!bytes) throw new ModelError('bad-file', `${path} is not stored.`);
      return bytes.slice();
    },
    write: async (pack, path, bytes) => {
      if (used() + bytes.byteLength > (options.quota ?? Infinity)) throw storageFull(path);
      filesOf(pack).set(path, bytes.slice());
    },
    appender: async (pack, path) => {
      const files = filesOf(pack);
      return {
        get byteLength() {
          return files.get(path)?.byteLength ?? 0;
        },
        append: (bytes) => {
          if (used() + bytes.byteLength > (options.quota ?? Infinity)) throw storageFull(path);
          const before = files.get(path) ?? new Uint8Array();
          const joined = new Uint8Array(before.byteLength + bytes.byteLength);
          joined.set(before);
          joined.set(bytes, before.byteLength);
          files.set(path, joined);
        },
        close: () => undefined,
      };
    },
    file: async (pack, path) => {
      const files = filesOf(pack);
      const bytes = () => files.get(path) ?? new Uint8Array();
      files.set(path, bytes());
      const resize = (byteLength: number) => {
        if (used() + byteLength - bytes().byteLength > (options.quota ?? Infinity)) throw storageFull(path);
        const other = new Uint8Array(byteLength);
        other.set(bytes().subarray(0, byteLength));
        files.set(path, other);
      };
      return {
        get byteLength() {
          return bytes().byteLength;
        },
        read: (start, end) => bytes().slice(start, end),
        write: (part, at) => {
          if (at + part.byteLength > bytes().byteLength) resize(at + part.byteLength);
          bytes().set(part, at);
        },
        resize,
        flush: () => undefined,
        close: () => undefined,
      };
    },
    remove: async (pack, path) => {
      packages.get(pack)?.delete(path);
    },
    removePackage: async (pack) => {
      packages.delete(pack);
    },
    exclusively: (pack, task, signal) => {
      const before = locks.get(pack) ?? Promise.resolve();
      const turn = signal ? Promise.race([before, aborted(signal)]) : before;
      const result = turn.then(() => {
        if (signal?.aborted) throw cancelled(signal.reason);
        return task();
      });
      // Whoever gives up waiting does not let the next one in early.
      locks.set(pack, Promise.allSettled([before, result]));
      return result;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
