import { sha256Hex } from '../base/sha256.ts';
import type { ShardStore } from '../model/weights/shard-store.ts';
import type { PackageTarget } from './target.ts';

/** A package's folder on this device. */
export function storedTarget(store: ShardStore, pack: string): PackageTarget {
  /** The browser hashes whole buffers only; one of a shard's size serves all, as they are hashed one after the other. */
  let buffer = new Uint8Array();
  return {
    open: async (path, byteLength) => {
      const file = await store.file(pack, path);
      if (file.byteLength !== byteLength) file.resize(byteLength);
      return {
        write: (bytes, at) => file.write(bytes, at),
        flush: () => file.flush(),
        sha256: async () => {
          if (buffer.byteLength < byteLength) buffer = new Uint8Array(byteLength);
          return sha256Hex(file.read(0, byteLength, buffer));
        },
        close: () => file.close(),
      };
    },
  };
}
