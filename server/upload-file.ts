/** The file of an upload that has all its bytes. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ReadableFile } from '../src/share/adapter-file.ts';

/** SHA-256 of a file, in hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Opens a file of so many bytes for `work`, and closes it. */
export async function withFile(
  path: string,
  size: number,
  work: (file: ReadableFile) => Promise<void>,
): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await work({
      size,
      read: async (offset, length) => {
        const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, offset);
        if (bytesRead !== length) throw new Error(`${path} ended after ${offset + bytesRead} bytes.`);
        return buffer;
      },
    });
  } finally {
    await handle.close();
  }
}
