import { createHash, randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { Storage } from 'unstorage';
import type { ReadableFile } from '../src/share/adapter-file.ts';
import {
  jsonBytes,
  lastPart,
  parseJson,
  readRange,
  readVersioned,
  removeIf,
  replaceIf,
  writeJson,
} from './storage.ts';

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
/** When it was begun, in milliseconds since 1970, and random digits. */
const GENERATION = /^(|\d{13}-[0-9a-f]{32})$/;
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
  /** Bytes of a part. One that came straight to a bucket is one part. */
  partBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(BLOCK_BYTES)), PART_BYTES),
  /** Which of the parts that were ever written are its own; '' in seals of earlier versions. */
  generation: v.optional(v.pipe(v.string(), v.regex(GENERATION)), ''),
  /** Random. Somebody is about to remove it and looks whether a share needs it. */
  condemned: v.optional(v.string()),
});
export type Seal = v.InferOutput<typeof sealSchema>;

/** A new name for the parts of an adapter: no two uploads write to the same ones. */
export function newGeneration(id = randomBytes(16).toString('hex')): string {
  return `${Date.now()}-${id}`;
}

/** What is known of an adapter whose bytes have been checked. */
export type Checked = Pick<Seal, 'bytes' | 'client' | 'generation' | 'partBytes' | 'parts'>;

/**
 * Adapters by the SHA-256 of their bytes: `adapters/<sha256>/<generation>.<part>`, and `adapters/<sha256>.json`, the seal, written when every
 * part is there. An adapter without an intact seal, or with a part missing or of another size, does not exist: so a process killed
 * while it writes leaves nothing that is served, and the same adapter can be sent again. One in which a damaged block was met does not
 * exist either, until it is sent again.
 *
 * Several processes may work on one adapter. The seal decides: parts are never written twice (`generation`), and a seal is taken away in steps
 * that each replace the version that was read (`removeUnneeded`). Over storages without versions callers hold the lock of the hash.
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
      if (this.#sizes.has(sha256)) continue;
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
    const { bytes, partBytes } = seal;
    const lengths = Array.from({ length: Math.ceil(bytes / partBytes) }, (_, index) =>
      Math.min(partBytes, bytes - index * partBytes),
    );
    const whole = await Promise.all(
      lengths.map((length, index) => this.#hasPart(partKey(sha256, seal, index), length)),
    );
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
    const generation = newGeneration();
    const parts: string[] = [];
    for (let offset = 0; offset < file.size; offset += PART_BYTES) {
      const bytes = await file.read(offset, Math.min(PART_BYTES, file.size - offset));
      await this.#storage.setItemRaw(partKey(sha256, { generation }, offset / PART_BYTES), bytes);
      parts.push(...blockHashes(bytes));
    }
    await this.seal(sha256, { bytes: file.size, client, generation, partBytes: PART_BYTES, parts });
  }

  /** Makes an adapter of parts that are there and have been checked. */
  async seal(sha256: string, checked: Checked): Promise<void> {
    const before = await this.#readSeal(sha256);
    const seal: Seal = { ...checked, createdAt: Date.now(), blockBytes: BLOCK_BYTES };
    await writeJson(this.#storage, sealKey(sha256), seal);
    this.#sizes.set(sha256, seal);
    this.#damaged.delete(sha256);
    if (before && before.generation !== seal.generation) await this.#removeParts(sha256, before.generation);
  }

  /**
   * Keeps an adapter from being removed: takes back what condemns it, and with `renew` lets it live as long without a share as one that has just
   * come. False when there is none any more.
   */
  async keep(sha256: string, renew = false): Promise<boolean> {
    for (;;) {
      const found = await this.#readVersionedSeal(sha256);
      if (found === null) return false;
      const { condemned, ...seal } = found.seal;
      if (condemned === undefined && !renew) return true;
      const kept = jsonBytes(renew ? { ...seal, createdAt: Date.now() } : seal);
      if (await replaceIf(this.#storage, sealKey(sha256), kept, found.version)) return true;
    }
  }

  /** Bytes of one block; null when they are not what was stored. */
  async readBlock(sha256: string, seal: Seal, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const hash = seal.parts[index]!;
    const bytes = this.#recent.get(hash) ?? (await this.#readStored(sha256, seal, index));
    if (bytes !== null) this.#remember(hash, bytes);
    return bytes;
  }

  /**
   * Removes an adapter that no share needs. It is condemned first, and only then asked whether it is needed: a share writes its reference first
   * and only then looks at the seal (`keep` takes the sentence back). Whatever the order, one of the two sees the other.
   * Then the seal goes, and then the parts: what is left by a crash is not an adapter any more.
   */
  async removeUnneeded(sha256: string, isNeeded: () => Promise<boolean>): Promise<void> {
    const found = await this.#readVersionedSeal(sha256);
    if (found === null) return;
    const { seal } = found;
    const condemned = seal.condemned ?? randomBytes(8).toString('hex');
    if (seal.condemned === undefined) {
      const sentence = jsonBytes({ ...seal, condemned });
      if (!(await replaceIf(this.#storage, sealKey(sha256), sentence, found.version))) return;
    }
    const now = await this.#readVersionedSeal(sha256);
    if (now?.seal.condemned !== condemned) return;
    if (await isNeeded()) {
      const { condemned: _, ...pardoned } = now.seal;
      await replaceIf(this.#storage, sealKey(sha256), jsonBytes(pardoned), now.version);
      return;
    }
    const removed = jsonBytes({ removed: condemned });
    if (!(await replaceIf(this.#storage, sealKey(sha256), removed, now.version))) return;
    this.#sizes.delete(sha256);
    await this.#removeParts(sha256, seal.generation);
    await this.#removeWhatIsNoSeal(sha256);
    this.#damaged.delete(sha256);
  }

  /** Removes what is left of adapters that are none: parts of no seal that were begun longer ago than `graceMs`, and seals that cannot be read. */
  async removeLeftovers(sha256: string, graceMs: number): Promise<void> {
    const seal = await this.#readSeal(sha256);
    if (seal === null) await this.#removeWhatIsNoSeal(sha256);
    for (const key of await this.#partKeys(sha256)) {
      const generation = generationOf(key);
      const begunAt = Number(generation.split('-')[0]);
      if (generation !== seal?.generation && Date.now() - begunAt > graceMs)
        await this.#storage.removeItem(key);
    }
  }

  /** Hashes of everything here, adapters and what is left of them. */
  async hashes(): Promise<ReadonlySet<string>> {
    const keys = await this.#storage.getKeys('adapters');
    const names = keys.map((key) => key.split(':')[1]!.replace(/\.json$/, ''));
    return new Set(names.filter((name) => HASH.test(name)));
  }

  async #readStored(sha256: string, seal: Seal, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const start = index * seal.blockBytes;
    const part = Math.floor(start / seal.partBytes);
    const length = Math.min(seal.blockBytes, seal.bytes - start);
    const range = { offset: start - part * seal.partBytes, length };
    const bytes = await readRange(this.#storage, partKey(sha256, seal, part), range);
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
    return (await this.#readVersionedSeal(sha256))?.seal ?? null;
  }

  async #readVersionedSeal(sha256: string): Promise<{ seal: Seal; version: string } | null> {
    const found = await readVersioned(this.#storage, sealKey(sha256));
    const seal = found && parseSeal(found.bytes);
    return seal && { seal, version: found.version };
  }

  async #removeWhatIsNoSeal(sha256: string): Promise<void> {
    const found = await readVersioned(this.#storage, sealKey(sha256));
    if (found && parseSeal(found.bytes) === null)
      await removeIf(this.#storage, sealKey(sha256), found.version);
  }

  async #removeParts(sha256: string, generation: string): Promise<void> {
    for (const key of await this.#partKeys(sha256))
      if (generationOf(key) === generation) await this.#storage.removeItem(key);
  }

  async #partKeys(sha256: string): Promise<readonly string[]> {
    const keys = await this.#storage.getKeys(`adapters:${sha256}`);
    return keys.filter((key) => /^([\d]{13}-[0-9a-f]{32}\.)?\d+$/.test(lastPart(key)));
  }

  async #hasPart(key: string, length: number): Promise<boolean> {
    const { size } = await this.#storage.getMeta(key, { nativeOnly: true });
    // Drivers that know no size: blocks are checked when they are read.
    return size === undefined ? this.#storage.hasItem(key) : size === length;
  }
}

function parseSeal(bytes: Uint8Array): Seal | null {
  const parsed = v.safeParse(sealSchema, parseJson(bytes));
  if (!parsed.success) return null;
  const { bytes: size, blockBytes, partBytes, parts } = parsed.output;
  return parts.length === Math.ceil(size / blockBytes) && partBytes % blockBytes === 0 ? parsed.output : null;
}

/** SHA-256 of each block of a part, or of a piece of it that begins with a block. */
export function blockHashes(bytes: Uint8Array): string[] {
  const hashes: string[] = [];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
    hashes.push(hashOf(bytes.subarray(at, at + BLOCK_BYTES)));
  return hashes;
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sum(sizes: readonly { readonly bytes: number }[]): number {
  return sizes.reduce((total, { bytes }) => total + bytes, 0);
}

const sealKey = (sha256: string): string => `adapters:${sha256}.json`;

/** Where a part of an adapter lies. */
export function partKey(sha256: string, { generation }: Pick<Seal, 'generation'>, index: number): string {
  return `adapters:${sha256}:${generation === '' ? '' : `${generation}.`}${index}`;
}

function generationOf(key: string): string {
  const name = lastPart(key);
  return name.slice(0, Math.max(0, name.indexOf('.')));
}
