import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { Driver } from 'unstorage';
import type { PutOptions, Range } from './storage.ts';

/** Unfinished writes; not part of what is stored. */
const UNFINISHED = '.unfinished';

/**
 * An unstorage driver over a folder, one file per key. Unlike unstorage's own it writes atomically: the bytes go to a file
 * in `.unfinished`, are flushed to the disk, and the file is renamed into place. A process killed at any instant leaves
 * the old value, or none, or the new one, never a part; after `setItem` the value is there, through a power failure too.
 */
export function atomicFolder(folder: string): Driver {
  const reported = new Set<string>();
  const fileOf = (key: string): string => {
    const parts = key.split(':');
    if (!isKey(parts)) throw new Error(`"${key}" is not a key of this store.`);
    return join(folder, ...parts);
  };
  const isOurs = (parts: readonly string[]): boolean => {
    if (parts[0] === UNFINISHED) return false;
    if (isKey(parts)) return true;
    const path = parts.join('/');
    if (!reported.has(path))
      console.warn(`The data folder holds ${JSON.stringify(path)}, which is left alone.`);
    reported.add(path);
    return false;
  };

  const write = async (
    key: string,
    value: string | Uint8Array,
    { ifAbsent }: PutOptions = {},
  ): Promise<void> => {
    const file = fileOf(key);
    const unfinished = join(folder, UNFINISHED, randomBytes(12).toString('hex'));
    await mkdir(dirname(unfinished), { recursive: true });
    try {
      await writeFlushed(unfinished, value);
      await mkdir(dirname(file), { recursive: true });
      if (ifAbsent === true) {
        // Fails where there is a file, in one step.
        await link(unfinished, file);
        await rm(unfinished);
      } else await rename(unfinished, file);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    await flushFolder(dirname(file));
  };

  return {
    name: 'atomic-folder',
    hasItem: async (key) => (await orNull(stat(fileOf(key)))) !== null,
    getItem: (key) => orNull(readFile(fileOf(key), 'utf8')),
    getItemRaw: (key, { range }: { range?: Range } = {}) =>
      orNull(range ? readPart(fileOf(key), range) : readFile(fileOf(key))),
    setItem: (key, value, options) => write(key, value, options),
    setItemRaw: (key, value: string | Uint8Array, options) => write(key, value, options),
    removeItem: (key) => rm(fileOf(key), { force: true }),
    getMeta: async (key) => {
      const found = await orNull(stat(fileOf(key)));
      return found && { size: found.size, mtime: found.mtime };
    },
    getKeys: async (base) => {
      const start = join(folder, ...base.split(':'));
      const entries = (await orNull(readdir(start, { recursive: true, withFileTypes: true }))) ?? [];
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep))
        .filter(isOurs)
        .map((parts) => parts.join(':'));
    },
  };
}

/** Files that others put there, such as `.DS_Store`, have other names. */
function isKey(parts: readonly string[]): boolean {
  return parts.every((part) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part));
}

async function readPart(file: string, { offset, length }: Range): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function writeFlushed(file: string, value: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(value);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Makes a rename last through a power failure; Windows cannot open folders and needs nothing. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function orNull<T>(result: Promise<T>): Promise<T | null> {
  try {
    return await result;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** Deletes writes that a killed process left behind, once nobody can be at them any more. */
export async function removeUnfinished(folder: string, olderThanMs: number): Promise<void> {
  const names = (await orNull(readdir(join(folder, UNFINISHED)))) ?? [];
  for (const name of names) {
    const file = join(folder, UNFINISHED, name);
    const found = await orNull(stat(file));
    if (found && Date.now() - found.mtimeMs > olderThanMs) await rm(file, { force: true });
  }
}
