import { ModelError } from '../base/errors.ts';
import type { ByteReader } from './byte-reader.ts';
import type { Folder } from './folder.ts';

const POINTER = 'version https://git-lfs.github.com/spec/';
/** Pointers have about 130 bytes; the specification allows 1024. */
const MOST_POINTER_BYTES = 1024;

/** @throws ModelError `bad-file` where the file is a git-lfs pointer in place of the file itself */
export async function refuseLfsPointer(file: ByteReader): Promise<void> {
  if (file.byteLength < POINTER.length || file.byteLength > MOST_POINTER_BYTES) return;
  const start = new TextDecoder().decode(await file.slice(0, POINTER.length));
  if (start !== POINTER) return;
  throw new ModelError(
    'bad-file',
    `${file.name} is a git-lfs pointer, not the file itself.`,
    'Fetch the files with "git lfs pull", or download them from the Hub.',
  );
}

/** The folder, in which a git-lfs pointer is never taken for a file. */
export function withoutLfsPointers(folder: Folder): Folder {
  return {
    ...folder,
    open: async (path) => {
      const file = await folder.open(path);
      await refuseLfsPointer(file);
      return file;
    },
  };
}
