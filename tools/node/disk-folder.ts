/** What a person names on a command line, as a folder: a directory, a file, a zip, an address. */
import { openAsBlob, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { blobReader, byteReader, type ByteReader } from '../../src/io/byte-reader.ts';
import { missingFile, type Folder } from '../../src/io/folder.ts';
import { openAddress, type AddressOptions } from '../../src/io/open-address.ts';
import { cleanPath } from '../../src/io/paths.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { ModelError } from '../../src/base/errors.ts';
import type { CheckpointFolder } from '../../src/model/weights/checkpoint.ts';

/** A directory on disk. Links are followed: the Hugging Face cache is made of them. */
export function diskFolder(root: string): Folder {
  const name = basename(resolve(root));
  const onDisk = (path: string) => join(root, ...path.split('/'));
  const isFile = (path: string) => statSync(onDisk(path), { throwIfNoEntry: false })?.isFile() ?? false;
  let listed: readonly string[] | null = null;
  return {
    name,
    has: async (path) => isFile(path),
    open: async (path) => {
      if (!isFile(path)) throw missingFile(name, path);
      return openDiskFile(onDisk(path), path);
    },
    list: async () => (listed ??= filesBelow(root)),
  };
}

function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => relative(root, path).split(sep).join('/'))
    .filter((path) => cleanPath(path, root) !== null)
    .toSorted();
}

/** A checkpoint's directory on disk. */
export function diskCheckpoint(root: string): CheckpointFolder {
  const folder = diskFolder(root);
  return { name: folder.name, files: filesBelow(root), open: (path) => folder.open(path) };
}

/** Node 20 counts the bytes of a file's Blob in 32 bits. */
const MOST_BLOB = 2 ** 32 - 1;
/** Reads of at least this size are made directly: a Blob gives its bytes in small pieces. */
const LARGE_READ = 2 ** 17;

/** A file on disk, read by ranges. */
export async function openDiskFile(path: string, name = path): Promise<ByteReader> {
  const { size, mtimeMs } = statSync(path);
  const small = size <= MOST_BLOB ? blobReader(await openAsBlob(path), name) : null;
  return byteReader(
    name,
    size,
    (start, end) =>
      small && end - start < LARGE_READ
        ? small.slice(start, end)
        : readRange({ path, name, mtimeMs }, start, end),
    small?.blob,
  );
}

/** Fewer bytes where the file was cut short meanwhile. @throws ModelError `bad-file` where it was changed, as a Blob's reads fail then */
async function readRange(
  { path, name, mtimeMs }: { readonly path: string; readonly name: string; readonly mtimeMs: number },
  start: number,
  end: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path, 'r');
  try {
    if ((await file.stat()).mtimeMs !== mtimeMs) {
      throw new ModelError(
        'bad-file',
        `${name} can no longer be read.`,
        'It was changed since it was opened. Open it again.',
      );
    }
    const bytes = new Uint8Array(end - start);
    let done = 0;
    for (let got = 1; done < bytes.length && got > 0; done += got)
      got = (await file.read(bytes, done, bytes.length - done, start + done)).bytesRead;
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}

/**
 * A directory, a zip or another single file, or an address.
 * @throws ModelError `bad-input` for a path that does not exist, and what opening an address throws
 */
export async function openPlace(place: string, options: AddressOptions = {}): Promise<Folder> {
  const found = statSync(place, { throwIfNoEntry: false });
  if (found?.isDirectory()) return diskFolder(place);
  if (found?.isFile()) {
    const name = basename(place);
    const file = await openDiskFile(place, name);
    if (/\.zip$/i.test(name)) return zipFolder(name, file);
    return { ...singleFile(name, file), name: name.replace(/\.[^.]+$/, '') };
  }
  if (/^(https?|hf):/i.test(place) || (place.split('/').length === 2 && !place.startsWith('.'))) {
    return openAddress(place, options);
  }
  throw new ModelError(
    'bad-input',
    `${place} does not exist (looked for in ${dirname(resolve(place))}).`,
    'Name a folder, a file, a zip, an address, or a Hub repository such as lerobot/svla_so101_pickplace.',
  );
}

function singleFile(name: string, file: ByteReader): Folder {
  return {
    name,
    has: async (path) => path === name,
    open: async (path) => {
      if (path !== name) throw missingFile(name, path);
      return file;
    },
    list: async () => [name],
  };
}
