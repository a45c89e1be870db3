import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageTarget } from '../../src/convert/target.ts';

const HASHED_AT_ONCE = 4 * 2 ** 20;

/** Writes the files of a package into a folder. */
export function diskTarget(folder: string): PackageTarget {
  return {
    open: async (path, byteLength) => {
      const handle = await open(join(folder, path), constants.O_RDWR | constants.O_CREAT);
      await handle.truncate(byteLength);
      return {
        write: async (bytes, at) => {
          for (let done = 0; done < bytes.length;)
            done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
        },
        flush: () => handle.sync(),
        sha256: async () => {
          const hash = createHash('sha256');
          const buffer = new Uint8Array(Math.min(HASHED_AT_ONCE, byteLength));
          for (let at = 0; at < byteLength;) {
            const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
            if (bytesRead === 0) throw new Error(`${path} was cut short while it was written.`);
            hash.update(buffer.subarray(0, bytesRead));
            at += bytesRead;
          }
          return hash.digest('hex');
        },
        close: () => handle.close(),
      };
    },
  };
}
