/** Folders written as zips, as a stream. */
import { ZipWriter } from '@zip.js/zip.js';
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
