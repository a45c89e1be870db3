/** Packages in the origin private file system, for use in a dedicated worker. */
import { ModelError } from '../errors.ts';
import { storageFull, type ShardStore } from './shard-store.ts';

const ROOT = 'packages';

/** @throws ModelError `unsupported` (on first use) where the browser has no OPFS */
export function opfsShardStore(): ShardStore {
  const folder = async (pack: string, create: boolean): Promise<FileSystemDirectoryHandle | null> => {
    if (!navigator.storage?.getDirectory) {
      throw new ModelError(
        'unsupported',
        'This browser has no file storage for pages (OPFS).',
        'Use a current browser, outside private mode.',
      );
    }
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
    return orNull(root.getDirectoryHandle(pack, { create }));
  };
  const fileOf = async (pack: string, path: string): Promise<File | null> => {
    const handle = await orNull((await folder(pack, false))?.getFileHandle(path));
    return handle ? handle.getFile() : null;
  };
  const open = async (pack: string, path: string) => {
    const handle = await (await folder(pack, true))!.getFileHandle(path, { create: true });
    return handle.createSyncAccessHandle().catch((error: unknown) => {
      throw new ModelError(
        'bad-file',
        `${path} is being written by another tab.`,
        'Close the other tab, or wait until it is done.',
        { cause: error },
      );
    });
  };
  return {
    byteLength: async (pack, path) => (await fileOf(pack, path))?.size ?? 0,
    read: async (pack, path) => {
      const file = await fileOf(pack, path);
      if (!file) throw new ModelError('bad-file', `${path} is not stored.`, 'Load the package again.');
      return new Uint8Array(await file.arrayBuffer());
    },
    write: async (pack, path, bytes) => {
      const file = await open(pack, path);
      try {
        file.truncate(0);
        writeAll(file, path, bytes, 0);
      } finally {
        file.close();
      }
    },
    appender: async (pack, path) => {
      const file = await open(pack, path);
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
    },
    remove: async (pack, path) => {
      await orNull((await folder(pack, false))?.removeEntry(path));
    },
    removePackage: async (pack) => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
      await orNull(root.removeEntry(pack, { recursive: true }));
    },
    exclusively: (pack, task) =>
      navigator.locks.request(`openvla-web package ${pack}`, task) as ReturnType<typeof task>,
  };
}

function writeAll(
  file: FileSystemSyncAccessHandle,
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
): void {
  let written: number;
  try {
    written = file.write(bytes, { at });
  } catch (error) {
    throw storageFull(path, error);
  }
  if (written === bytes.byteLength) return;
  file.truncate(at);
  throw storageFull(path);
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
