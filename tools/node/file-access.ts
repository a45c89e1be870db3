import { createHash } from 'node:crypto';
import { fstatSync, openSync, read, readdirSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { ModelError } from '../../src/model/errors.ts';
import type { CheckpointFolder } from '../../src/model/weights/checkpoint.ts';
import type { PackageSink } from '../../src/model/weights/package-writer.ts';
import { checkRange, type RandomAccess } from '../../src/model/weights/random-access.ts';

const readAt = promisify(read);

/** A file on disk, opened for reading until the process ends. */
export async function openFile(path: string): Promise<RandomAccess> {
  // A plain descriptor: a FileHandle closes itself, with a warning, when it is collected.
  const descriptor = openSync(path, 'r');
  const { size } = fstatSync(descriptor);
  return {
    byteLength: size,
    read: async (offset, length) => {
      checkRange({ byteLength: size }, offset, length);
      const bytes = new Uint8Array(length);
      // One read gives at most 2 GiB, and may give less than asked for.
      let done = 0;
      while (done < length) {
        const { bytesRead } = await readAt(
          descriptor,
          bytes,
          done,
          Math.min(length - done, 2 ** 30),
          offset + done,
        );
        if (bytesRead === 0) throw new ModelError('bad-file', `${path} became shorter while it was read.`);
        done += bytesRead;
      }
      return bytes;
    },
  };
}

/** A checkpoint folder on disk, sub-folders included. */
export function diskFolder(folder: string): CheckpointFolder {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    // Follows links: the Hugging Face cache is made of them.
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => relative(folder, path).split(sep).join('/'));
  return { files, open: (path) => openFile(join(folder, path)) };
}

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
