import { blobReader } from './byte-reader.ts';
import { missingFile, type Folder } from './folder.ts';
import { cleanPath } from './paths.ts';

/** A directory as the browser gives it: each file with its path. */
export function blobFolder(name: string, files: readonly { path: string; file: Blob }[]): Folder {
  const byPath = new Map<string, Blob>();
  for (const { path, file } of files) {
    const clean = cleanPath(path.replace(/^\//, ''), name);
    if (clean !== null) byPath.set(clean, file);
  }
  return {
    name,
    has: async (path) => byPath.has(path),
    open: async (path) => {
      const file = byPath.get(path);
      if (!file) throw missingFile(name, path);
      return blobReader(file, path);
    },
    list: async () => [...byPath.keys()].toSorted(),
  };
}

export function memoryFolder(name: string, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Folder {
  return blobFolder(
    name,
    [...files].map(([path, bytes]) => ({ path, file: new Blob([bytes]) })),
  );
}
