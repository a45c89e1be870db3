/** Files in the origin private file system, for use in a dedicated worker. */
import { ModelError } from '../../base/errors.ts';
import { cancelled, storageFull, type Appender, type ShardStore, type StoredFile } from './shard-store.ts';

/**
 * @param area `packages`, or another top folder that keeps its files apart
 * @throws ModelError `unsupported` (on first use) where the browser has no OPFS
 */
export function opfsShardStore(area: 'packages' | 'runs' = 'packages'): ShardStore {
  return {
    packages: async () => namesIn(await root(area)),
    files: async (pack) => {
      const handle = await folder(area, pack, false);
      return handle ? namesIn(handle) : [];
    },
    byteLength: async (pack, path) => (await fileOf(area, pack, path))?.size ?? 0,
    read: async (pack, path) => {
      const file = await fileOf(area, pack, path);
      if (!file) throw new ModelError('bad-file', `${path} is not stored.`, 'Load the package again.');
      return new Uint8Array(await file.arrayBuffer());
    },
    write: async (pack, path, bytes) => {
      const file = await open(area, pack, path);
      try {
        file.truncate(0);
        writeAll(file, path, bytes, 0);
      } finally {
        file.close();
      }
    },
    appender: (pack, path) => appender(area, pack, path),
    file: async (pack, path) => storedFile(await open(area, pack, path), path),
    remove: async (pack, path) => {
      const removed = (await folder(area, pack, false))?.removeEntry(path);
      await orNull(removed?.catch((error: unknown) => Promise.reject(inUse(path, error))));
    },
    removePackage: async (pack) => {
      await orNull((await root(area)).removeEntry(pack, { recursive: true }));
    },
    exclusively: (pack, task, signal) => exclusively(area, pack, task, signal),
  };
}

async function namesIn(handle: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of handle.keys()) names.push(name);
  return names.toSorted();
}

async function root(area: string): Promise<FileSystemDirectoryHandle> {
  // Both are missing on pages that are not secure, and OPFS in some private modes.
  if (!navigator.storage?.getDirectory || !navigator.locks) {
    throw new ModelError(
      'unsupported',
      'This browser has no file storage for pages (OPFS).',
      'Use a current browser, outside private mode.',
    );
  }
  const top = await navigator.storage.getDirectory();
  // To create takes room, so that a full disk would refuse even what only reads.
  return (await orNull(top.getDirectoryHandle(area))) ?? top.getDirectoryHandle(area, { create: true });
}

async function folder(
  area: string,
  pack: string,
  create: boolean,
): Promise<FileSystemDirectoryHandle | null> {
  return orNull((await root(area)).getDirectoryHandle(pack, { create }));
}

async function fileOf(area: string, pack: string, path: string): Promise<File | null> {
  const handle = await orNull((await folder(area, pack, false))?.getFileHandle(path));
  return handle ? handle.getFile() : null;
}

async function open(area: string, pack: string, path: string): Promise<FileSystemSyncAccessHandle> {
  try {
    const handle = await (await folder(area, pack, true))!.getFileHandle(path, { create: true });
    return await handle.createSyncAccessHandle();
  } catch (error) {
    throw inUse(path, error);
  }
}

/** An error of its own for a full disk, which may already refuse to open, and for a file that another worker has open. */
function inUse(path: string, error: unknown): unknown {
  if (!(error instanceof DOMException) || error.name === 'NotFoundError') return error;
  if (error.name === 'QuotaExceededError') return storageFull(path, error);
  return new ModelError(
    'bad-file',
    `${path} is being written by another tab.`,
    'Close the other tab, or wait until it is done.',
    { cause: error },
  );
}

async function appender(area: string, pack: string, path: string): Promise<Appender> {
  const file = await open(area, pack, path);
  let size = file.getSize();
  return {
    get byteLength() {
      return size;
    },
    append: (bytes) => {
      writeAll(file, path, bytes, size);
      size += bytes.byteLength;
    },
    close: () => {
      file.flush();
      file.close();
    },
  };
}

function storedFile(file: FileSystemSyncAccessHandle, path: string): StoredFile {
  return {
    get byteLength() {
      return file.getSize();
    },
    read: (start, end, buffer) => {
      const length = end - start;
      const into =
        buffer && buffer.byteLength >= length ? buffer.subarray(0, length) : new Uint8Array(length);
      const got = file.read(into, { at: start });
      if (got === length) return into;
      throw new ModelError(
        'bad-file',
        `${path} ended after ${start + got} bytes.`,
        'Load the package again.',
      );
    },
    write: (bytes, at) => writeAll(file, path, bytes, at),
    resize: (byteLength) => {
      try {
        file.truncate(byteLength);
      } catch (error) {
        throw storageFull(path, error);
      }
    },
    flush: () => file.flush(),
    close: () => {
      file.flush();
      file.close();
    },
  };
}

/** The Web Locks API holds across tabs, and lets go when a tab is closed. */
async function exclusively<T>(
  area: string,
  pack: string,
  task: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  // Says `unsupported` where there are no locks.
  await root(area);
  try {
    return await navigator.locks.request(`openvla-web ${area} ${pack}`, signal ? { signal } : {}, task);
  } catch (error) {
    if (signal?.aborted && !(error instanceof ModelError)) throw cancelled(error);
    throw error;
  }
}

function writeAll(
  file: FileSystemSyncAccessHandle,
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
): void {
  let written = 0;
  let cause: unknown;
  try {
    written = file.write(bytes, { at });
  } catch (error) {
    cause = error;
  }
  if (written === bytes.byteLength) return;
  // A piece that is there in part would be taken for a whole one by the download that resumes.
  file.truncate(Math.min(at, file.getSize()));
  throw storageFull(path, cause);
}

/** Null for what does not exist; other failures stay failures. */
async function orNull<T>(promise: Promise<T> | undefined): Promise<T | null> {
  try {
    return (await promise) ?? null;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return null;
    throw error;
  }
}
