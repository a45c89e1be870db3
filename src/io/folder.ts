import { ModelError } from '../base/errors.ts';
import type { ByteReader } from './byte-reader.ts';

/** A read-only tree of files: a dropped directory, a zip, a web server, a Hub repository, memory, a disk. Paths use `/`. */
export interface Folder {
  /** For messages: the directory's, the zip's or the server's name. */
  readonly name: string;
  has(path: string): Promise<boolean>;
  /** @throws ModelError `bad-file` where the file is missing or not what its name says */
  open(path: string): Promise<ByteReader>;
  /** Every file's path, sorted; null where the place cannot list its files (an ordinary web server). */
  list(): Promise<readonly string[] | null>;
  /** What the place says the SHA-256 of its files is, hex, by path; for those it says it of. */
  readonly hashes?: ReadonlyMap<string, string>;
}

/** Text and JSON files of a dataset or checkpoint are far smaller; a larger one is not read whole. */
const MOST_TEXT = 256 * 2 ** 20;

export async function readAll(folder: Folder, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await folder.open(path);
  return file.slice(0, file.byteLength);
}

/** @throws ModelError `bad-file` for a file that is missing, far too large or not UTF-8 */
export async function readText(folder: Folder, path: string): Promise<string> {
  const file = await folder.open(path);
  if (file.byteLength > MOST_TEXT) {
    throw new ModelError(
      'bad-file',
      `${path} has ${file.byteLength} bytes, far more than a text file of this kind.`,
      'Check that it is the right file.',
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.slice(0, file.byteLength));
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError('bad-file', `${path} is not a UTF-8 text.`, 'The file is damaged. Copy it again.', {
      cause: error,
    });
  }
}

/** @throws ModelError `bad-file` for a file that is not JSON */
export async function readJson(folder: Folder, path: string): Promise<unknown> {
  const text = await readText(folder, path);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelError('bad-file', `${path} is not valid JSON.`, 'The file is damaged. Copy it again.', {
      cause: error,
    });
  }
}

/** A file that the folder does not have. */
export function missingFile(folderName: string, path: string): ModelError {
  return new ModelError(
    'bad-file',
    `${folderName} has no file ${path}.`,
    'Choose the whole folder, with all of its files.',
  );
}
