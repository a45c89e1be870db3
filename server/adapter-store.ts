import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Storage } from 'unstorage';
import type { ReadableFile } from '../src/share/adapter-file.ts';
import { readBytes, readJson, writeJson } from './storage.ts';

/** Adapters are stored in parts of this many bytes: drivers take and give whole values, and memory is finite. */
export const PART_BYTES = 4 * 2 ** 20;
/** Parts kept in memory: 64 MiB, which hold what is asked for most. */
const RECENT_PARTS = 16;

const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const sealSchema = v.strictObject({
  bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Milliseconds since 1970. */
  createdAt: v.pipe(v.number(), v.safeInteger()),
  /** SHA-256 of each part, in order. */
  parts: v.array(sha256Hex),
});
export type Seal = v.InferOutput<typeof sealSchema>;

/**
 * Adapters by the SHA-256 of their bytes: `adapters/<sha256>/<part>`, and `adapters/<sha256>.json`, the seal, written when every
 * part is there. An adapter without an intact seal, or with a part missing or of another size, does not exist: so a process killed
 * while it writes leaves nothing that is served, and the same adapter can be sent again. Sealed parts are never written to again.
 *
 * Nothing here excludes two calls about one adapter at a time; callers hold the lock of its hash.
 */
export class AdapterStore {
  readonly #storage: Storage;
  /** Parts that were read last, by their hash. */
  readonly #recent = new Map<string, Uint8Array<ArrayBuffer>>();
  #totalBytes = 0;

  private constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Opens what is there, and counts it. */
  static async open(storage: Storage): Promise<AdapterStore> {
    const adapters = new AdapterStore(storage);
    for (const sha256 of await adapters.hashes())
      adapters.#totalBytes += (await adapters.#readSeal(sha256))?.bytes ?? 0;
    return adapters;
  }

  /** Bytes of all sealed adapters. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** The seal of a whole adapter; null when there is none. */
  async find(sha256: string): Promise<Seal | null> {
    const seal = await this.#readSeal(sha256);
    if (seal === null) return null;
    const whole = await Promise.all(
      seal.parts.map((_, index) => this.#hasPart(sha256, index, partLength(seal, index))),
    );
    return whole.every(Boolean) ? seal : null;
  }

  /** Stores a file whose hash has been checked. */
  async add(sha256: string, file: ReadableFile): Promise<void> {
    const parts: string[] = [];
    for (let offset = 0; offset < file.size; offset += PART_BYTES) {
      const bytes = await file.read(offset, Math.min(PART_BYTES, file.size - offset));
      await this.#storage.setItemRaw(partKey(sha256, parts.length), bytes);
      parts.push(hashOf(bytes));
    }
    const seal: Seal = { bytes: file.size, createdAt: Date.now(), parts };
    const before = await this.#readSeal(sha256);
    await writeJson(this.#storage, sealKey(sha256), seal);
    this.#totalBytes += seal.bytes - (before?.bytes ?? 0);
  }

  /** Bytes of one part; null when they are not what was stored. */
  async readPart(sha256: string, seal: Seal, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const hash = seal.parts[index]!;
    const known = this.#recent.get(hash);
    const bytes = known ?? (await readBytes(this.#storage, partKey(sha256, index)));
    if (bytes === null || (!known && hashOf(bytes) !== hash)) return null;
    this.#remember(hash, bytes);
    return bytes;
  }

  /** The seal goes first: what is left by a crash is no adapter any more. */
  async remove(sha256: string): Promise<void> {
    this.#totalBytes -= (await this.#readSeal(sha256))?.bytes ?? 0;
    await this.#storage.removeItem(sealKey(sha256));
    for (const key of await this.#storage.getKeys(`adapters:${sha256}`)) await this.#storage.removeItem(key);
  }

  /** Hashes of everything here, adapters and what is left of them. */
  async hashes(): Promise<ReadonlySet<string>> {
    const keys = await this.#storage.getKeys('adapters');
    return new Set(keys.map((key) => key.split(':')[1]!.replace(/\.json$/, '')));
  }

  /** Makes a part the newest of those in memory; the oldest goes. */
  #remember(hash: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.#recent.delete(hash);
    this.#recent.set(hash, bytes);
    if (this.#recent.size > RECENT_PARTS) this.#recent.delete(this.#recent.keys().next().value!);
  }

  async #readSeal(sha256: string): Promise<Seal | null> {
    const parsed = v.safeParse(sealSchema, await readJson(this.#storage, sealKey(sha256)));
    if (!parsed.success) return null;
    const { bytes, parts } = parsed.output;
    return parts.length === Math.ceil(bytes / PART_BYTES) ? parsed.output : null;
  }

  async #hasPart(sha256: string, index: number, length: number): Promise<boolean> {
    const key = partKey(sha256, index);
    const { size } = await this.#storage.getMeta(key, { nativeOnly: true });
    // Drivers that know no size: the part's hash is checked when it is read.
    return size === undefined ? this.#storage.hasItem(key) : size === length;
  }
}

function partLength(seal: Seal, index: number): number {
  return Math.min(PART_BYTES, seal.bytes - index * PART_BYTES);
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const sealKey = (sha256: string): string => `adapters:${sha256}.json`;
const partKey = (sha256: string, index: number): string => `adapters:${sha256}:${index}`;
