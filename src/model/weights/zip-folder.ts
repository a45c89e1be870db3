/** Checkpoint folders as zips: written as a stream, read by ranges. */
import { BlobReader, ZipReader, ZipWriter, type FileEntry } from '@zip.js/zip.js';
import { ModelError } from '../errors.ts';
import type { CheckpointFolder } from './checkpoint.ts';
import { blobAccess, type RandomAccess } from './random-access.ts';
import type { ByteSource } from './zip-writer.ts';

/** A file of a folder that is to be written. Paths use `/`. */
export interface FolderFile extends ByteSource {
  readonly path: string;
}

/** A file whose length is known when its bytes were made; they are read before the next file is asked for. */
export interface StreamedFile {
  readonly path: string;
  readonly chunks: () => AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** A folder that knows its own name. */
export interface NamedFolder extends CheckpointFolder {
  readonly name: string;
}

/** A compressed entry is inflated whole; weights hardly compress, so that zips with larger ones are rare. */
const MAX_INFLATED_BYTES = 4 * 2 ** 30;
const MAX_ENTRIES = 100_000;
/** Length of a local file header before its two variable parts (APPNOTE.TXT 4.3.7). */
const LOCAL_HEADER_BYTES = 30;

/**
 * The files as one zip, stored. Each byte is made when the reader asks for it; nothing is buffered beyond a piece.
 *
 * @param onProgress hears of the bytes of `files` that were read; of files that are still to be made, the total is NaN
 * The stream fails with the ModelError of a file that cannot be read.
 */
export function zipFolder(
  files: readonly FolderFile[] | AsyncIterable<StreamedFile>,
  onProgress?: (done: number, total: number) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pipe = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const reader = pipe.readable.getReader();
  const total = Array.isArray(files)
    ? files.reduce((sum: number, file: FolderFile) => sum + file.byteLength, 0)
    : NaN;
  let done = 0;
  const count = (bytes: number) => onProgress?.((done += bytes), total);
  let written: Promise<never> | null = null;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      // Resolves never: what ends the stream is the pipe's end. A failure must not wait for a pipe that nobody closes.
      written ??= writeZip(files, pipe.writable, count).then(() => new Promise<never>(() => undefined));
      const next = await Promise.race([reader.read(), written]);
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: (reason) => {
      written?.catch(() => undefined);
      return reader.cancel(reason);
    },
  });
}

/** The same, collected: browsers keep large blobs on disk. */
export function zipBlob(
  files: readonly FolderFile[] | AsyncIterable<StreamedFile>,
  onProgress?: (done: number, total: number) => void,
): Promise<Blob> {
  const stream = zipFolder(files, onProgress);
  return new Response(stream, { headers: { 'Content-Type': 'application/zip' } }).blob();
}

async function writeZip(
  files: readonly FolderFile[] | AsyncIterable<StreamedFile>,
  out: WritableStream<Uint8Array<ArrayBuffer>>,
  count: (bytes: number) => void,
): Promise<void> {
  const zip = new ZipWriter(out, { level: 0, useWebWorkers: false });
  for await (const file of files) {
    const known = 'byteLength' in file ? { uncompressedSize: file.byteLength } : {};
    await zip.add(file.path, streamOf(file, count), known);
  }
  await zip.close();
}

function streamOf(
  file: Pick<ByteSource, 'chunks'>,
  count: (bytes: number) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = file.chunks()[Symbol.asyncIterator]();
  return new ReadableStream({
    pull: async (controller) => {
      const next = await chunks.next();
      if (next.done) return controller.close();
      count(next.value.byteLength);
      controller.enqueue(next.value);
    },
    cancel: async () => {
      await chunks.return?.();
    },
  });
}

/**
 * A zip as the folder it holds. A single folder around everything is taken off and gives the name. Stored entries are read by ranges,
 * compressed ones are inflated when they are opened.
 *
 * @param fallbackName for a zip without a folder around its files
 * @throws ModelError `bad-file` for a damaged zip, `unsupported` for encrypted or very large compressed entries
 */
export async function openZipFolder(zip: Blob, fallbackName: string): Promise<NamedFolder> {
  const entries = await readEntries(zip);
  const roots = new Set([...entries.keys()].map((path) => path.split('/')[0]!));
  const root =
    roots.size === 1 && [...entries.keys()].every((path) => path.includes('/')) ? [...roots][0]! : null;
  const inner = root === null ? 0 : root.length + 1;
  const byPath = new Map([...entries].map(([path, entry]) => [path.slice(inner), entry]));
  return {
    name: root ?? fallbackName,
    files: [...byPath.keys()],
    open: async (path) => {
      const entry = byPath.get(path);
      if (!entry) throw new ModelError('bad-file', `The zip has no file ${path}.`);
      return entry.compressionMethod === 0 ? storedAccess(zip, entry) : inflate(entry);
    },
  };
}

async function readEntries(zip: Blob): Promise<Map<string, FileEntry>> {
  const files = new Map<string, FileEntry>();
  try {
    for await (const entry of new ZipReader(new BlobReader(zip), {
      useWebWorkers: false,
    }).getEntriesGenerator()) {
      if (files.size > MAX_ENTRIES)
        throw new ModelError('unsupported', `The zip has over ${MAX_ENTRIES} files.`);
      // What macOS adds to every zip.
      if (entry.directory || /(^|\/)(__MACOSX\/|\.DS_Store$)/.test(entry.filename)) continue;
      if (entry.encrypted) {
        throw new ModelError(
          'unsupported',
          `The zip's ${entry.filename} is encrypted.`,
          'Unpack it and choose the folder.',
        );
      }
      files.set(entry.filename, entry);
    }
  } catch (error) {
    throw asModelError(error, 'This is no intact zip');
  }
  return files;
}

async function storedAccess(zip: Blob, entry: FileEntry): Promise<RandomAccess> {
  const access = blobAccess(zip);
  const header = new DataView((await access.read(entry.offset, LOCAL_HEADER_BYTES)).buffer);
  const start = entry.offset + LOCAL_HEADER_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
  if (header.getUint32(0, true) !== 0x04034b50 || start + entry.uncompressedSize > zip.size) {
    throw new ModelError('bad-file', `The zip's ${entry.filename} is not where its directory says.`, AGAIN);
  }
  return blobAccess(zip.slice(start, start + entry.uncompressedSize));
}

async function inflate(entry: FileEntry): Promise<RandomAccess> {
  const { filename, uncompressedSize: size } = entry;
  if (size > MAX_INFLATED_BYTES) {
    throw new ModelError(
      'unsupported',
      `The zip's ${filename} is compressed and has ${size} bytes; up to ${MAX_INFLATED_BYTES} are inflated.`,
      'Unpack it and choose the folder, or make the zip without compression.',
    );
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    await entry.getData(
      new WritableStream<Uint8Array<ArrayBuffer>>({
        write: (chunk) => {
          length += chunk.length;
          // A small file can inflate to any size; the directory's size is what was allowed.
          if (length > size)
            throw new ModelError('bad-file', `The zip's ${filename} is larger than it says.`, AGAIN);
          parts.push(chunk.slice());
        },
      }),
      { checkSignature: true, useWebWorkers: false },
    );
  } catch (error) {
    throw asModelError(error, `The zip's ${filename} is damaged`);
  }
  return blobAccess(new Blob(parts));
}

const AGAIN = 'Copy or download the file again.';

function asModelError(error: unknown, what: string): ModelError {
  if (error instanceof ModelError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ModelError('bad-file', `${what}: ${reason}.`, AGAIN, { cause: error });
}
