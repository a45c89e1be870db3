import { ModelError } from '../errors.ts';

/** Bytes that can be read in any order: a file, a Blob, an array. Reads past the end throw `bad-file`. */
export interface RandomAccess {
  readonly byteLength: number;
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** @throws ModelError `bad-file` for bytes that `what` does not have */
export function checkRange(
  access: { readonly byteLength: number },
  offset: number,
  length: number,
  what = 'the file',
): void {
  const fits = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (fits && offset + length <= access.byteLength) return;
  throw new ModelError(
    'bad-file',
    `Bytes ${offset}…${offset + length} were asked for; ${what} has ${access.byteLength}.`,
    'The file is truncated or damaged: copy or download it again.',
  );
}

export function bytesAccess(bytes: Uint8Array<ArrayBuffer>): RandomAccess {
  return {
    byteLength: bytes.byteLength,
    read: async (offset, length) => {
      checkRange(bytes, offset, length);
      return bytes.slice(offset, offset + length);
    },
  };
}

export function blobAccess(blob: Blob): RandomAccess {
  return {
    byteLength: blob.size,
    read: async (offset, length) => {
      checkRange({ byteLength: blob.size }, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}
