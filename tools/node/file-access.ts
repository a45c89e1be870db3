import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageSink } from '../../src/model/weights/package-writer.ts';

/** Writes the files of a package into a folder, hashing on the way. */
export function diskSink(folder: string): PackageSink {
  return {
    create: async (path) => {
      const handle: FileHandle = await open(join(folder, path), 'wx');
      const hash = createHash('sha256');
      return {
        write: async (bytes) => {
          hash.update(bytes);
          await handle.writeFile(bytes);
        },
        close: async () => {
          await handle.close();
          return { sha256: hash.digest('hex') };
        },
      };
    },
  };
}
