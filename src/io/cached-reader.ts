import { byteReader, type ByteReader } from './byte-reader.ts';

export interface CacheOptions {
  /** Reads are rounded to blocks of this size; default 64 kB. */
  readonly blockBytes?: number;
  /** Blocks kept, the least recently used ones dropped first; default 64 MB. */
  readonly keptBytes?: number;
}

/**
 * Remembers what was read. Many small reads near each other, as Parquet and video readers make them, become one request, and nothing
 * that is still kept is asked for twice, not even while the first request is under way. A read of more than is kept goes straight through.
 */
export function cachedReader(reader: ByteReader, options: CacheOptions = {}): ByteReader {
  const { blockBytes = 64 * 2 ** 10, keptBytes = 64 * 2 ** 20 } = options;
  const blocks = new Map<number, Promise<Uint8Array<ArrayBuffer>>>();
  const mostBlocks = Math.max(1, Math.floor(keptBytes / blockBytes));

  /** Asks for blocks [first, last] in one request; each becomes a promise of its part. */
  const request = (first: number, last: number) => {
    const from = first * blockBytes;
    const run = reader.slice(from, Math.min(reader.byteLength, (last + 1) * blockBytes));
    for (let block = first; block <= last; block++) {
      const at = (block - first) * blockBytes;
      const part = run.then((bytes) => bytes.slice(at, at + blockBytes));
      // A failure is not kept: the next read tries again.
      part.catch(() => blocks.delete(block));
      blocks.set(block, part);
    }
  };

  const cached = byteReader(
    reader.name,
    reader.byteLength,
    async (start, end) => {
      if (end - start > mostBlocks * blockBytes) return reader.slice(start, end);
      const first = Math.floor(start / blockBytes);
      const last = Math.floor((end - 1) / blockBytes);
      for (let block = first; block <= last; block++) {
        if (blocks.has(block)) continue;
        let until = block;
        while (until < last && !blocks.has(until + 1)) until++;
        request(block, until);
        block = until;
      }
      const wanted = Array.from({ length: last - first + 1 }, (_, i) => blocks.get(first + i)!);
      for (let block = first; block <= last; block++) {
        const kept = blocks.get(block)!;
        blocks.delete(block);
        blocks.set(block, kept);
      }
      for (const oldest of blocks.keys()) {
        if (blocks.size <= mostBlocks) break;
        blocks.delete(oldest);
      }
      const out = new Uint8Array(end - start);
      const parts = await Promise.all(wanted);
      parts.forEach((part, i) => {
        const at = (first + i) * blockBytes;
        const from = Math.max(start, at);
        out.set(part.subarray(from - at, Math.min(end - at, part.byteLength)), from - start);
      });
      return out;
    },
    reader.blob,
  );
  return reader.version === undefined ? cached : { ...cached, version: reader.version };
}
