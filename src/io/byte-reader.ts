import { ModelError } from '../base/errors.ts';

/** Bytes that are read by ranges: memory, a Blob, a file on disk, a file on a web server, a zip's entry. */
export interface ByteReader {
  /** For messages: the file's path. */
  readonly name: string;
  readonly byteLength: number;
  /**
   * Bytes [start, end), a copy of its own.
   * @throws ModelError `bad-file` for a range outside the file or bytes that are missing, `download-failed`
   */
  slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The same bytes as a local Blob, where they lie in one: for libraries that read Blobs by themselves. */
  readonly blob?: Blob;
  /** Where these bytes lie in a larger file as they are: a stored entry of a zip. */
  readonly within?: () => Promise<{ readonly file: ByteReader; readonly start: number }>;
  /** Tells one content of the file from another, where its place says so: a date, a tag. */
  readonly version?: string;
}

/** @param read is asked for ranges inside the file only, and what it gives is held to their length */
export function byteReader(
  name: string,
  byteLength: number,
  read: (start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>,
  blob?: Blob,
): ByteReader {
  return {
    name,
    byteLength,
    ...(blob ? { blob } : {}),
    slice: async (start, end) => {
      checkRange(name, byteLength, start, end);
      if (start === end) return new Uint8Array();
      const bytes = await read(start, end);
      if (bytes.byteLength === end - start) return bytes;
      throw new ModelError(
        'bad-file',
        `${name}: ${end - start} bytes were asked for, ${bytes.byteLength} came.`,
        'The file changed while it was read. Try again.',
      );
    },
  };
}

export function blobReader(blob: Blob, name = 'The file'): ByteReader {
  return byteReader(
    name,
    blob.size,
    async (start, end) => {
      try {
        return new Uint8Array(await blob.slice(start, end).arrayBuffer());
      } catch (error) {
        // A browser's File only points to the disk: moved, deleted or changed since it was chosen.
        throw new ModelError(
          'bad-file',
          `${name} can no longer be read.`,
          'It was moved or changed since it was chosen. Choose it again.',
          { cause: error },
        );
      }
    },
    blob,
  );
}

export function memoryReader(bytes: Uint8Array<ArrayBuffer>, name = 'The file'): ByteReader {
  return byteReader(name, bytes.byteLength, async (start, end) => bytes.slice(start, end));
}

/** @throws ModelError `bad-file` for a range that the file does not have, also one that is not whole numbers */
export function checkRange(name: string, byteLength: number, start: number, end: number): void {
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (whole && start >= 0 && start <= end && end <= byteLength) return;
  throw new ModelError(
    'bad-file',
    `${name} has ${byteLength} bytes; bytes ${start} to ${end} were asked for.`,
    'The file is truncated or damaged. Copy or download it again.',
  );
}
