import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Storage } from 'unstorage';
import type { ReadableFile } from '../src/share/adapter-file.ts';
import { readJson, readRange, writeJson } from './storage.ts';

/** Adapters are stored in parts of this many bytes: drivers take whole values, and memory is finite. */
export const PART_BYTES = 4 * 2 ** 20;
/**
 * Adapters are checked and sent in blocks of this many bytes. A client that takes its time holds one of them in memory, not a part.
 * Divides `PART_BYTES`.
 */
export const BLOCK_BYTES = 2 ** 17;
/** Bytes of blocks kept in memory: those that are asked for most. */
const RECENT_BYTES = 64 * 2 ** 20;

const HASH = /^[0-9a-f]{64}$/;
const sha256Hex = v.pipe(v.string(), v.regex(HASH));
const sealSchema = v.strictObject({
  bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Milliseconds since 1970. */
  createdAt: v.pipe(v.number(), v.safeInteger()),
  /** Which client brought it: `ClientTags`. */
  client: v.optional(v.string(), ''),
  /** Bytes of a block; in seals of earlier versions, which lack it, a block is a part. */
  blockBytes: v.optional(v.picklist([BLOCK_BYTES, PART_BYTES]), PART_BYTES),
  /** SHA-256 of each block, in order. */
  parts: v.array(sha256Hex),
});
export type Seal = v.InferOutput<typeof sealSchema>;

/**
 * Adapters by the SHA-256 of their bytes: `adapters/<sha256>/<part>`, and `adapters/<sha256>.json`, the seal, written when every
 * part is there. An adapter without an intact seal, or with a part missing or of another size, does not exist: so a process killed
 * while it writes leaves nothing that is served, and the same adapter can be sent again. One in which a damaged block was met does not
 * exist either, until it is sent again.
 *
 * Nothing here excludes two calls about one adapter at a time; callers hold the lock of its hash.
 */
export class AdapterStore {
  readonly #storage: Storage;
  /** Blocks that were read last, by their hash. */
  readonly #recent = new Map<string, Uint8Array<ArrayBuffer>>();
  #recentBytes = 0;
  /** Adapters of which a block was not what had been stored. */
  readonly #damaged = new Set<string>();
  /** Bytes and client of each adapter. */
  readonly #sizes = new Map<string, { readonly bytes: number; readonly client: string }>();

  private constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Opens what is there, and counts it. */
  static async open(storage: Storage): Promise<AdapterStore> {
    const adapters = new AdapterStore(storage);
    await adapters.count();
    return adapters;
  }

  /** Counts again what is there. */
  async count(): Promise<void> {
    const hashes = await this.hashes();
    for (const sha256 of hashes) {
      const seal = await this.#readSeal(sha256);
      if (seal) this.#sizes.set(sha256, seal);
    }
    for (const sha256 of this.#sizes.keys()) if (!hashes.has(sha256)) this.#sizes.delete(sha256);
  }

  /** Bytes of all sealed adapters. */
  get totalBytes(): number {
    return sum([...this.#sizes.values()]);
  }

  /** Bytes of the adapters that a client brought first. */
  bytesOf(client: string): number {
    return sum([...this.#sizes.values()].filter((size) => size.client === client));
  }

  /** The seal of a whole adapter; null when there is none. */
  async find(sha256: string): Promise<Seal | null> {
    const seal = this.#damaged.has(sha256) ? null : await this.#readSeal(sha256);
    if (seal === null) return null;
    const lengths = Array.from({ length: Math.ceil(seal.bytes / PART_BYTES) }, (_, index) =>
      Math.min(PART_BYTES, seal.bytes - index * PART_BYTES),
    );
    const whole = await Promise.all(lengths.map((length, index) => this.#hasPart(sha256, index, length)));
    return whole.every(Boolean) ? seal : null;
  }

  /** Reads an adapter from end to end: whether all of it is as it was stored. */
  async isIntact(sha256: string): Promise<boolean> {
    const seal = await this.find(sha256);
    if (seal === null) return false;
    for (const index of seal.parts.keys())
      if ((await this.#readStored(sha256, seal, index)) === null) return false;
    return true;
  }

  /** Stores a file whose hash has been checked; `client` is who brought it. */
  async add(sha256: string, file: ReadableFile, client = ''): Promise<void> {
    const parts: string[] = [];
    for (let offset = 0; offset < file.size; offset += PART_BYTES) {
      const bytes = await file.read(offset, Math.min(PART_BYTES, file.size - offset));
      await this.#storage.setItemRaw(partKey(sha256, offset / PART_BYTES), bytes);
      for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
        parts.push(hashOf(bytes.subarray(at, at + BLOCK_BYTES)));
    }
    const seal: Seal = { bytes: file.size, createdAt: Date.now(), client, blockBytes: BLOCK_BYTES, parts };
    await writeJson(this.#storage, sealKey(sha256), seal);
    this.#sizes.set(sha256, seal);
    this.#damaged.delete(sha256);
  }

  /** Bytes of one block; null when they are not what was stored. */
  async readBlock(sha256: string, seal: Seal, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const hash = seal.parts[index]!;
    const bytes = this.#recent.get(hash) ?? (await this.#readStored(sha256, seal, index));
    if (bytes !== null) this.#remember(hash, bytes);
    return bytes;
  }

  /** The seal goes first: what is left by a crash is not an adapter any more. */
  async remove(sha256: string): Promise<void> {
    await this.#storage.removeItem(sealKey(sha256));
    this.#sizes.delete(sha256);
    for (const key of await this.#storage.getKeys(`adapters:${sha256}`)) await this.#storage.removeItem(key);
    this.#damaged.delete(sha256);
  }

  /** Hashes of everything here, adapters and what is left of them. */
  async hashes(): Promise<ReadonlySet<string>> {
    const keys = await this.#storage.getKeys('adapters');
    const names = keys.map((key) => key.split(':')[1]!.replace(/\.json$/, ''));
    return new Set(names.filter((name) => HASH.test(name)));
  }

  async #readStored(sha256: string, seal: Seal, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const start = index * seal.blockBytes;
    const part = Math.floor(start / PART_BYTES);
    const length = Math.min(seal.blockBytes, seal.bytes - start);
    const range = { offset: start - part * PART_BYTES, length };
    const bytes = await readRange(this.#storage, partKey(sha256, part), range);
    if (bytes !== null && hashOf(bytes) === seal.parts[index]) return bytes;
    console.error(
      `The adapter ${sha256} is damaged at byte ${start}; it is not served until it is sent again.`,
    );
    this.#damaged.add(sha256);
    return null;
  }

  /** Makes a block the newest of those in memory; the oldest go. */
  #remember(hash: string, bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#recent.delete(hash)) this.#recentBytes += bytes.length;
    this.#recent.set(hash, bytes);
    for (const [oldest, { length }] of this.#recent) {
      if (this.#recentBytes <= RECENT_BYTES) break;
      this.#recent.delete(oldest);
      this.#recentBytes -= length;
    }
  }

  async #readSeal(sha256: string): Promise<Seal | null> {
    const parsed = v.safeParse(sealSchema, await readJson(this.#storage, sealKey(sha256)));
    if (!parsed.success) return null;
    const { bytes, blockBytes, parts } = parsed.output;
    return parts.length === Math.ceil(bytes / blockBytes) ? parsed.output : null;
  }

  async #hasPart(sha256: string, index: number, length: number): Promise<boolean> {
    const key = partKey(sha256, index);
    const { size } = await this.#storage.getMeta(key, { nativeOnly: true });
    // Drivers that know no size: blocks are checked when they are read.
    return size === undefined ? this.#storage.hasItem(key) : size === length;
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sum(sizes: readonly { readonly bytes: number }[]): number {
  return sizes.reduce((total, { bytes }) => total + bytes, 0);
}

const sealKey = (sha256: string): string => `adapters:${sha256}.json`;
const partKey = (sha256: string, index: number): string => `adapters:${sha256}:${index}`;
