import type { ByteReader } from './byte-reader.ts';
import { missingFile, type Folder } from './folder.ts';

/** One file as a folder that holds nothing else: a format whose dataset is a file. */
export function fileFolder(file: ByteReader): Folder {
  const path = file.name.slice(file.name.lastIndexOf('/') + 1);
  return {
    name: path,
    has: async (wanted) => wanted === path,
    open: async (wanted) => {
      if (wanted !== path) throw missingFile(path, wanted);
      return file;
    },
    list: async () => [path],
  };
}
