import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FileStore } from '@tus/file-store';
import type { Upload } from '@tus/server';
import { HttpError } from './http-error.ts';

/** tus' folder of uploads, which says when the disk is full: the library's own calls every failure the same. */
export class UploadFolder extends FileStore {
  override async create(upload: Upload): Promise<Upload> {
    try {
      return await super.create(upload);
    } catch (error) {
      throw diskFull(error) ?? error;
    }
  }

  /** Writes from `offset` on; gives the offset behind what was written. The file is closed when this settles. */
  override async write(readable: Readable, id: string, offset: number): Promise<number> {
    const file = createWriteStream(this.resolvePath(id), { flags: 'r+', start: offset });
    try {
      await pipeline(readable, file);
    } catch (error) {
      throw diskFull(error) ?? error;
    }
    return offset + file.bytesWritten;
  }

  private resolvePath(id: string): string {
    return `${this.directory}/${id}`;
  }
}

/** The answer to a failure that says the disk is full; null for others. */
export function diskFull(error: unknown): HttpError | null {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return null;
  return new HttpError(
    507,
    'storage-full',
    'The disk of this server is full.',
    'Try again later, or share as a file.',
  );
}
