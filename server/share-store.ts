import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import type { Storage } from 'unstorage';
import { parseShareManifest, type ShareManifest } from '../src/share/share-manifest.ts';
import type { AdapterStore } from './adapter-store.ts';
import { HttpError } from './http-error.ts';
import type { KeyedLock } from './keyed-lock.ts';
import { DEFAULT_LIMITS, type Limits } from './options.ts';
import { ShareLedger } from './share-ledger.ts';
import { lastPart, readJson, writeJson } from './storage.ts';

/** 96 random bits in base64url. */
export const SHARE_ID = /^[A-Za-z0-9_-]{16}$/;

const recordSchema = v.strictObject({
  /** Folders may not tell upper from lower case; ids do. */
  id: v.string(),
  tokenSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  manifest: v.pipe(v.unknown(), v.transform(parseShareManifest)),
});
/** References of earlier versions have no date. */
const referenceSchema = v.fallback(v.object({ createdAt: v.optional(v.number(), 0) }), { createdAt: 0 });
type ShareRecord = v.InferOutput<typeof recordSchema>;

/** The client of shares that were made before clients were counted. */
const EARLIER = 'earlier';

type ShareLimits = Pick<Limits, 'shares' | 'clientShares' | 'sharesBytes' | 'shareAgeMs'>;

/**
 * Shares, `shares/<id>.json`, which adapter on this server each of them needs, `references/<sha256>/<id>`, and who made it (`ShareLedger`).
 *
 * A reference and a ledger entry are written before their share and removed after it, so a process killed in between leaves one too many,
 * never one too few: no adapter goes while a share needs it. Each record is one atomic put. Everything about one adapter is done
 * under the lock of its hash, which spares the processes' own requests from meeting; what keeps processes apart is the order of the
 * puts (`AdapterStore.removeUnneeded`).
 */
export class ShareStore {
  readonly #storage: Storage;
  readonly #adapters: AdapterStore;
  readonly #locks: KeyedLock;
  readonly #limits: ShareLimits;
  readonly #ledger: ShareLedger;

  private constructor(storage: Storage, adapters: AdapterStore, locks: KeyedLock, limits: ShareLimits) {
    this.#storage = storage;
    this.#adapters = adapters;
    this.#locks = locks;
    this.#limits = limits;
    this.#ledger = new ShareLedger(storage);
  }

  /** Opens what is there, and counts it. */
  static async open(
    storage: Storage,
    adapters: AdapterStore,
    locks: KeyedLock,
    limits: ShareLimits = DEFAULT_LIMITS,
  ): Promise<ShareStore> {
    const shares = new ShareStore(storage, adapters, locks, limits);
    await shares.#ledger.load();
    return shares;
  }

  /**
   * Stores a share; when this returns, it lasts. `token` allows to delete it and is not kept here. `client` is who makes it, by its tag.
   * @throws HttpError 409 when the adapter is to lie here and does not; 507 when there are as many as the server or one client may have
   */
  async create(manifest: ShareManifest, client = EARLIER): Promise<{ id: string; token: string }> {
    const id = randomBytes(12).toString('base64url');
    const token = randomBytes(32).toString('base64url');
    const record: ShareRecord = { id, tokenSha256: sha256(token).toString('hex'), manifest };
    const bytes = Buffer.byteLength(JSON.stringify(record));
    this.#checkRoom(bytes, client);
    const needed = storedAdapter(manifest);
    const write = async () => {
      await this.#ledger.add({ id, client, createdAt: Date.now(), bytes });
      try {
        await writeJson(this.#storage, shareKey(id), record);
      } catch (error) {
        // What was not stored does not count; the sweep takes what cannot be taken back here.
        await this.#ledger.remove(id).catch(() => {});
        throw error;
      }
    };
    if (needed === null) await write();
    else {
      await this.#locks.run(needed.sha256, async () => {
        const seal = await this.#adapters.find(needed.sha256);
        if (seal?.bytes !== needed.bytes) throw adapterMissing(needed, seal?.bytes ?? null);
        await writeJson(this.#storage, referenceKey(needed.sha256, id), { createdAt: Date.now() });
        await this.#keepFor(id, needed);
        await write();
        try {
          // Who took too long may have been taken for dead, and its reference for left over.
          const reference = referenceKey(needed.sha256, id);
          if (!(await this.#storage.hasItem(reference)))
            await writeJson(this.#storage, reference, { createdAt: Date.now() });
          await this.#keepFor(id, needed);
        } catch (error) {
          await this.#storage.removeItem(shareKey(id));
          await this.#ledger.remove(id);
          throw error;
        }
      });
    }
    return { id, token };
  }

  /** Keeps an adapter for a share whose reference is written; takes the reference back where another process has removed the adapter. */
  async #keepFor(id: string, needed: { sha256: string; bytes: number }): Promise<void> {
    if (await this.#adapters.keep(needed.sha256)) return;
    await this.#storage.removeItem(referenceKey(needed.sha256, id));
    throw adapterMissing(needed, null);
  }

  #checkRoom(bytes: number, client: string): void {
    const { shares, clientShares, sharesBytes } = this.#limits;
    const all = this.#ledger.total();
    if (all.count >= shares || all.bytes + bytes > sharesBytes)
      throw noRoom('This server has no room for another share.', 'Try again later, or share as a link.');
    if (this.#ledger.total(client).count < clientShares) return;
    throw noRoom(
      `${clientShares} shares were made from this address, and more are not kept.`,
      'Delete one of them first, or share as a link.',
    );
  }

  /** The manifest of a share; null when there is none. */
  async find(id: string): Promise<ShareManifest | null> {
    return (await this.#read(id))?.manifest ?? null;
  }

  /**
   * Deletes a share, and its adapter when no other share needs it.
   * @throws HttpError 404 when there is no such share, 403 when the token is another's
   */
  async remove(id: string, token: string): Promise<void> {
    const record = await this.#read(id);
    if (record === null) throw shareNotFound();
    if (!timingSafeEqual(sha256(token), Buffer.from(record.tokenSha256, 'hex'))) {
      throw new HttpError(
        403,
        'forbidden',
        'This key belongs to another share.',
        'Use the link you got when you shared.',
      );
    }
    await this.#removeRecord(id, storedAdapter(record.manifest)?.sha256 ?? null);
  }

  async #removeRecord(id: string, hash: string | null): Promise<void> {
    if (hash === null) await this.#storage.removeItem(shareKey(id));
    else {
      await this.#locks.run(hash, async () => {
        await this.#storage.removeItem(shareKey(id));
        await this.#storage.removeItem(referenceKey(hash, id));
        await this.#adapters.removeUnneeded(hash, () => this.#isNeeded(hash));
      });
    }
    await this.#ledger.remove(id);
  }

  /** Counts anew what other processes may have changed. */
  async count(): Promise<void> {
    await this.#adapters.count();
    await this.#ledger.load();
  }

  /**
   * Removes what is too old, and what crashes and abandoned uploads leave: ledger entries and references without a share, adapters no
   * share has needed for `graceMs`. Ends early when the signal says so.
   */
  async sweep(graceMs: number, signal?: AbortSignal): Promise<void> {
    await this.#adapters.count();
    await this.#sweepShares(graceMs, signal);
    for (const key of await this.#storage.getKeys('references')) {
      signal?.throwIfAborted();
      const hash = key.split(':')[1]!;
      if (!SHARE_ID.test(lastPart(key))) continue;
      await this.#locks.run(hash, async () => {
        if ((await this.#read(lastPart(key))) !== null) return;
        // Another process may be about to write the share: a reference comes first.
        const { createdAt } = v.parse(referenceSchema, await readJson(this.#storage, key));
        if (Date.now() - createdAt > graceMs) await this.#storage.removeItem(key);
      });
    }
    for (const hash of await this.#adapters.hashes()) {
      signal?.throwIfAborted();
      await this.#locks.run(hash, async () => {
        await this.#adapters.removeLeftovers(hash, graceMs);
        const createdAt = (await this.#adapters.find(hash))?.createdAt ?? 0;
        if (Date.now() - createdAt > graceMs && !(await this.#isNeeded(hash)))
          await this.#adapters.removeUnneeded(hash, () => this.#isNeeded(hash));
      });
    }
  }

  async #sweepShares(graceMs: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#ledger.load();
    for (const { id, createdAt } of this.#ledger.entries()) {
      signal?.throwIfAborted();
      const ageMs = Date.now() - createdAt;
      // One that is being made has its entry before its record.
      if (ageMs <= Math.min(graceMs, this.#limits.shareAgeMs)) continue;
      const record = await this.#read(id);
      if (record === null) await this.#ledger.remove(id);
      else if (ageMs > this.#limits.shareAgeMs)
        await this.#removeRecord(id, storedAdapter(record.manifest)?.sha256 ?? null);
    }
    const keys = await this.#storage.getKeys('shares');
    // Entries come before their shares: those that were made since have theirs now.
    await this.#ledger.load();
    for (const key of keys) {
      const id = lastPart(key).replace(/\.json$/, '');
      if (this.#ledger.has(id) || !SHARE_ID.test(id)) continue;
      const bytes = (await this.#storage.getMeta(key, { nativeOnly: true })).size;
      await this.#ledger.add({ id, client: EARLIER, createdAt: Date.now(), bytes: Number(bytes ?? 0) });
    }
  }

  async #isNeeded(hash: string): Promise<boolean> {
    return (await this.#storage.getKeys(`references:${hash}`)).length > 0;
  }

  async #read(id: string): Promise<ShareRecord | null> {
    if (!SHARE_ID.test(id)) return null;
    const json = await readJson(this.#storage, shareKey(id));
    try {
      const parsed = v.safeParse(recordSchema, json);
      return parsed.success && parsed.output.id === id ? parsed.output : null;
    } catch {
      return null;
    }
  }
}

function noRoom(message: string, hint: string): HttpError {
  return new HttpError(507, 'storage-full', message, hint);
}

export function shareNotFound(): HttpError {
  return new HttpError(
    404,
    'not-found',
    'There is no such share here.',
    'It was deleted, or the address is not complete.',
  );
}

function adapterMissing(
  { bytes, sha256: hash }: { bytes: number; sha256: string },
  found: number | null,
): HttpError {
  const what = found === null ? 'is not on this server' : `has ${found} bytes here, not ${bytes}`;
  return new HttpError(
    409,
    'adapter-missing',
    `The adapter ${hash} ${what}.`,
    'Upload it again, then share.',
  );
}

/** The adapter that has to lie on this server; null when there is none or it lies elsewhere. */
function storedAdapter(manifest: ShareManifest): { sha256: string; bytes: number } | null {
  return manifest.adapter?.url === null ? manifest.adapter : null;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

const shareKey = (id: string): string => `shares:${id}.json`;
const referenceKey = (hash: string, id: string): string => `references:${hash}:${id}`;
