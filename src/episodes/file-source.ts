/** A read-only tree of files that are read by slices: a dropped folder, a zip, a web server, memory. */
import { BlobReader, Uint8ArrayWriter, ZipReader } from '@zip.js/zip.js';
import { ModelError } from '../model/errors.ts';

export interface SlicedFile {
  readonly byteLength: number;
  /** @throws ModelError `bad-file` for a range outside the file */
  slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

export interface FileSource {
  /** For messages: the folder's, the zip's or the server's name. */
  readonly name: string;
  has(path: string): Promise<boolean>;
  /** @throws ModelError `bad-file` where there is no such file */
  open(path: string): Promise<SlicedFile>;
}

export async function readAll(source: FileSource, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await source.open(path);
  return file.slice(0, file.byteLength);
}

export async function readText(source: FileSource, path: string): Promise<string> {
  return new TextDecoder().decode(await readAll(source, path));
}

/** @throws ModelError `bad-file` for what is no JSON */
export async function readJson(source: FileSource, path: string): Promise<unknown> {
  const text = await readText(source, path);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelError('bad-file', `${path} is no JSON.`, 'The file is damaged; copy it again.', {
      cause: error,
    });
  }
}

function missing(path: string, name: string): ModelError {
  return new ModelError('bad-file', `${name} has no file ${path}.`, 'Give the whole dataset folder.');
}

function sliced(byteLength: number, path: string, read: SlicedFile['slice']): SlicedFile {
  return {
    byteLength,
    slice: async (start, end) => {
      if (start < 0 || start > end || end > byteLength) {
        throw new ModelError(
          'bad-file',
          `${path} has ${byteLength} bytes; ${start} to ${end} were asked for.`,
          'The file is truncated; copy it again.',
        );
      }
      const bytes = await read(start, end);
      if (bytes.byteLength !== end - start) {
        throw new ModelError(
          'bad-file',
          `${path} gave ${bytes.byteLength} bytes of ${end - start}.`,
          'Try again.',
        );
      }
      return bytes;
    },
  };
}

async function blobBytes(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}

/** A folder as the browser gives it: each file with its path. A folder around everything is taken off. */
export function folderSource(name: string, files: readonly { path: string; file: Blob }[]): FileSource {
  const paths = files.map(({ path }) => path.replace(/^\.?\//, ''));
  const root = commonRoot(paths);
  const byPath = new Map(files.map(({ file }, i) => [paths[i]!.slice(root.length), file]));
  return {
    name: root.replace(/\/$/, '') || name,
    has: async (path) => byPath.has(path),
    open: async (path) => {
      const file = byPath.get(path);
      if (!file) throw missing(path, name);
      return sliced(file.size, path, (start, end) => blobBytes(file.slice(start, end)));
    },
  };
}

export function memorySource(name: string, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): FileSource {
  return folderSource(
    name,
    [...files].map(([path, bytes]) => ({ path, file: new Blob([bytes]) })),
  );
}

/** The folder that all paths lie in, with its slash; empty where there is none. */
function commonRoot(paths: readonly string[]): string {
  const first = paths[0]?.split('/')[0];
  if (!first || paths.length < 2) return '';
  // The known top folders of a dataset are no wrapping.
  if (['meta', 'data', 'videos', 'images'].includes(first)) return '';
  return paths.every((path) => path.startsWith(`${first}/`)) ? `${first}/` : '';
}

/** Larger claims than this, or entries that unpack to more than a thousand times their size, are an attack. */
const MOST_ENTRIES = 200_000;
const MOST_ENTRY_BYTES = 16 * 2 ** 30;
const MOST_RATIO = 1000;
/** Compressed entries are unpacked whole. */
const MOST_UNPACKED = 2 * 2 ** 30;

/**
 * A zip, read by range; stored entries are never unpacked whole.
 * @throws ModelError `bad-file` for what is no zip or a hostile one
 */
export async function zipSource(name: string, file: Blob): Promise<FileSource> {
  const reader = new ZipReader(new BlobReader(file));
  const damaged = (error: unknown) =>
    new ModelError('bad-file', `${name} is no zip, or a damaged one.`, 'Pack the folder again.', {
      cause: error,
    });
  const entries = await reader.getEntries().catch((error: unknown) => {
    throw damaged(error);
  });
  if (entries.length > MOST_ENTRIES) throw hostile(name, `has ${entries.length} entries`);
  const files = new Map<string, (typeof entries)[number]>();
  for (const entry of entries) {
    if (entry.directory) continue;
    const { filename, uncompressedSize, compressedSize } = entry;
    if (filename.includes('..') || /^([\\/]|[a-z]:)/i.test(filename) || filename.includes('\\')) {
      throw hostile(name, `names a file "${filename.slice(0, 80)}"`);
    }
    if (
      uncompressedSize > MOST_ENTRY_BYTES ||
      uncompressedSize > MOST_RATIO * Math.max(1024, compressedSize)
    ) {
      throw hostile(name, `claims ${uncompressedSize} bytes for ${filename}`);
    }
    if (files.has(filename)) throw hostile(name, `holds ${filename} twice`);
    files.set(filename, entry);
  }
  const root = commonRoot([...files.keys()]);
  const entryAt = (path: string) => files.get(root + path);
  return {
    name: root.replace(/\/$/, '') || name.replace(/\.zip$/i, ''),
    has: async (path) => entryAt(path) !== undefined,
    open: async (path) => {
      const entry = entryAt(path);
      if (!entry || entry.directory) throw missing(path, name);
      if (entry.compressionMethod === 0 && !entry.encrypted) {
        const start = await dataOffset(file, entry.offset, path);
        return sliced(entry.uncompressedSize, path, (from, to) =>
          blobBytes(file.slice(start + from, start + to)),
        );
      }
      if (entry.uncompressedSize > MOST_UNPACKED) {
        throw new ModelError(
          'unsupported',
          `${path} is compressed and ${entry.uncompressedSize} bytes long.`,
          'Pack the zip without compression, or give the folder.',
        );
      }
      const bytes = await entry
        .getData(new Uint8ArrayWriter(), { checkSignature: true })
        .catch((error: unknown) => {
          throw damaged(error);
        });
      const own = new Uint8Array(bytes);
      return sliced(own.byteLength, path, async (from, to) => own.slice(from, to));
    },
  };
}

/** Where a stored entry's bytes start: after its local header, whose name and extra field have lengths of their own. */
async function dataOffset(file: Blob, header: number, path: string): Promise<number> {
  const view = new DataView(await file.slice(header, header + 30).arrayBuffer());
  if (view.byteLength < 30 || view.getUint32(0, true) !== 0x04034b50) {
    throw new ModelError('bad-file', `The zip is damaged at ${path}.`, 'Pack the folder again.');
  }
  return header + 30 + view.getUint16(26, true) + view.getUint16(28, true);
}

function hostile(name: string, what: string): ModelError {
  return new ModelError(
    'bad-file',
    `${name} is refused: it ${what}.`,
    'Pack the dataset folder itself, nothing else.',
  );
}

/** Files up to this size are fetched whole from a server that ignores ranges. */
const WHOLE_FILE = 64 * 2 ** 20;

/** A folder on a web server, read by HTTP range requests. */
export function urlSource(base: string): FileSource {
  const root = base.endsWith('/') ? base : `${base}/`;
  const at = (path: string) => new URL(path, root).href;
  const request = async (path: string, init: RequestInit): Promise<Response> => {
    try {
      return await fetch(at(path), init);
    } catch (error) {
      throw new ModelError(
        'download-failed',
        `${at(path)} could not be reached.`,
        'Check the address and your connection; the server has to allow other pages to read it (CORS).',
        { cause: error },
      );
    }
  };
  return {
    name: root.split('/').filter(Boolean).at(-1) ?? root,
    has: async (path) => (await request(path, { method: 'HEAD' })).ok,
    open: async (path) => {
      const head = await request(path, { method: 'HEAD' });
      if (head.status === 404) throw missing(path, root);
      if (!head.ok) throw httpError(at(path), head.status);
      const length = Number(head.headers.get('content-length') ?? NaN);
      let whole: Uint8Array<ArrayBuffer> | null = null;
      if (!Number.isFinite(length)) {
        whole = new Uint8Array(await (await request(path, {})).arrayBuffer());
      }
      return sliced(whole?.byteLength ?? length, path, async (start, end) => {
        if (whole) return whole.slice(start, end);
        if (start === end) return new Uint8Array();
        const part = await request(path, { headers: { range: `bytes=${start}-${end - 1}` } });
        if (part.status === 206) return new Uint8Array(await part.arrayBuffer());
        if (!part.ok) throw httpError(at(path), part.status);
        if (length > WHOLE_FILE) {
          await part.body?.cancel();
          throw new ModelError(
            'download-failed',
            `The server of ${at(path)} ignores range requests, and the file has ${length} bytes.`,
            'Host the dataset on a server that supports them, or download it and drop the folder.',
          );
        }
        whole = new Uint8Array(await part.arrayBuffer());
        return whole.slice(start, end);
      });
    },
  };
}

function httpError(url: string, status: number): ModelError {
  return new ModelError('download-failed', `${url} answered with status ${status}.`, 'Check the address.');
}
