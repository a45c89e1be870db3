/** The blocks of an HDF5 file that its synchronous library reads, fetched asynchronously. */
import { ModelError } from '../base/errors.ts';
import type { ByteReader } from '../io/byte-reader.ts';
import type { SyncSource } from './hdf5-wasm.ts';

const BLOCK = 64 * 2 ** 10;
/**
 * Blocks fetched besides, where one is missing: what is asked for next mostly lies behind it. Who goes on where an earlier fetch ended reads
 * in order: twice as many then, a megabyte at most.
 */
const BLOCKS_AHEAD = 3;
const MOST_AHEAD = 16;
/** Places remembered where a fetch ended: a file's cameras are read in turns. */
const KEPT_ENDS = 32;
/** Blocks kept, of each file. */
const KEPT_BLOCKS = 512;
/** What one call may read, and one chunk may hold. */
export const MOST_BYTES = 128 * 2 ** 20;

/** Header of a global heap, and of each of its objects (HDF5 File Format Specification, III.E). */
const HEAP_HEADER = 16;
/** WebAssembly's memory: HDF5 keeps the lower 32 bits of a larger size, which may be none. */
const MOST_HEAP_OBJECT = 2n ** 31n;

/**
 * A global heap (texts of variable length) with an object of no size: HDF5 2.0 walks round in such a one for ever, and cannot be stopped.
 * Its reads begin where the heap does.
 */
function isEndlessHeap(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 2 * HEAP_HEADER || view.getUint32(0) !== 0x47434f4c) return false;
  const end = Math.min(bytes.length, Number(view.getBigUint64(8, true)));
  for (let at = HEAP_HEADER; at + HEAP_HEADER <= end;) {
    const size = view.getBigUint64(at + 8, true);
    const isFree = view.getUint16(at, true) === 0;
    if ((isFree && size < BigInt(HEAP_HEADER)) || size > MOST_HEAP_OBJECT) return true;
    at += isFree ? Number(size) : HEAP_HEADER + 8 * Math.ceil(Number(size) / 8);
  }
  return false;
}

/** The parts of a file that have been fetched. */
export class BlockCache implements SyncSource {
  readonly byteLength: number;
  readonly missing = new Set<number>();
  readonly #file: ByteReader;
  readonly #blocks = new Map<number, Uint8Array>();
  /** Blocks fetched besides, by the block behind them. */
  readonly #ends = new Map<number, number>();

  constructor(file: ByteReader) {
    this.#file = file;
    this.byteLength = file.byteLength;
  }

  read(position: number, into: Uint8Array): boolean {
    const end = position + into.byteLength;
    const before = this.missing.size;
    for (let block = Math.floor(position / BLOCK); block * BLOCK < end; block++) {
      const bytes = this.#blocks.get(block);
      if (!bytes) {
        this.missing.add(block);
        continue;
      }
      const at = block * BLOCK;
      const from = Math.max(position, at);
      into.set(bytes.subarray(from - at, Math.min(end - at, bytes.byteLength)), from - position);
    }
    return this.missing.size === before && !isEndlessHeap(into);
  }

  /** @throws ModelError `unsupported` where one call wants more than fits, `download-failed` */
  async fetchMissing(): Promise<void> {
    if ((this.#blocks.size + this.missing.size) * BLOCK > 2 * MOST_BYTES + KEPT_BLOCKS * BLOCK) {
      throw new ModelError(
        'unsupported',
        `${this.#file.name} has to be read in pieces that are too large.`,
        'Store it again in smaller chunks, with h5repack.',
      );
    }
    const wanted = [...this.missing].toSorted((a, b) => a - b);
    const last = Math.ceil(this.byteLength / BLOCK) - 1;
    while (wanted.length > 0) {
      const first = wanted[0]!;
      let until = first;
      while (wanted.length > 0 && wanted[0]! <= until + 1) until = wanted.shift()!;
      until = Math.min(last, until + this.#ahead(first, until));
      const bytes = await this.#file.slice(first * BLOCK, Math.min(this.byteLength, (until + 1) * BLOCK));
      for (let block = first; block <= until; block++) {
        const at = (block - first) * BLOCK;
        this.#blocks.delete(block);
        this.#blocks.set(block, bytes.subarray(at, at + BLOCK));
      }
    }
  }

  /** How many blocks behind `until` are fetched besides. */
  #ahead(first: number, until: number): number {
    const before = this.#ends.get(first);
    const ahead = before === undefined ? BLOCKS_AHEAD : Math.min(MOST_AHEAD, 2 * before);
    this.#ends.delete(first);
    this.#ends.set(until + ahead + 1, ahead);
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > KEPT_ENDS) this.#ends.delete(oldest!);
    return ahead;
  }

  /** Forgets the oldest blocks. Not while a call is being made again: it needs all of its blocks at once. */
  drop(): void {
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= KEPT_BLOCKS) return;
      this.#blocks.delete(oldest);
    }
  }

  clear(): void {
    this.#blocks.clear();
  }
}
