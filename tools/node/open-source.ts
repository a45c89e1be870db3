import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { byteReader, type ByteReader } from '../../src/io/byte-reader.ts';
import { missingFile, type Folder } from '../../src/io/folder.ts';
import { openAddress, type AddressOptions } from '../../src/io/open-address.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { ModelError } from '../../src/model/errors.ts';
import { openFile } from './file-access.ts';

/**
 * What a person names on a command line: a folder, a zip or another file on disk, an address, or a Hub repository. What is on disk goes first.
 * @throws ModelError `bad-input` where none of them is there, and as `openAddress`
 */
export async function openSource(text: string, options: AddressOptions = {}): Promise<Folder> {
  if (!existsSync(text)) {
    if (/^[.~/\\]|^\w:\\/.test(text)) {
      throw new ModelError(
        'bad-input',
        `There is nothing at ${text}.`,
        'Name a folder, a file, a zip or an address.',
      );
    }
    return openAddress(text, options);
  }
  const name = basename(resolve(text));
  if (statSync(text).isDirectory()) return folderOnDisk(name, text);
  const reader = await readerOnDisk(text, name);
  if (/\.zip$/i.test(name)) return zipFolder(name, reader);
  return {
    name,
    has: async (path) => path === name,
    open: async (path) => {
      if (path === name) return reader;
      throw missingFile(name, path);
    },
    list: async () => [name],
  };
}

function folderOnDisk(name: string, root: string): Folder {
  const files = new Set(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name))
      // Follows links: the Hugging Face cache is made of them.
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
      .map((path) => relative(root, path).split(sep).join('/')),
  );
  const opened = new Map<string, Promise<ByteReader>>();
  return {
    name,
    has: async (path) => files.has(path),
    open: async (path) => {
      if (!files.has(path)) throw missingFile(name, path);
      let reader = opened.get(path);
      if (!reader) {
        reader = readerOnDisk(join(root, path), path);
        opened.set(path, reader);
      }
      return reader;
    },
    list: async () => [...files].toSorted(),
  };
}

async function readerOnDisk(path: string, name: string): Promise<ByteReader> {
  const file = await openFile(path);
  return byteReader(
    name,
    file.byteLength,
    async (start, end) => new Uint8Array(await file.read(start, end - start)),
  );
}
