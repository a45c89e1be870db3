import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import type { Storage } from 'unstorage';
import { parseShareManifest, type ShareManifest } from '../src/share/share-manifest.ts';
import type { AdapterStore } from './adapter-store.ts';
import { HttpError } from './http-error.ts';
import type { KeyedLock } from './keyed-lock.ts';
import { lastPart, readJson, writeJson } from './storage.ts';

/** 96 random bits in base64url. */
export const SHARE_ID = /^[A-Za-z0-9_-]{16}$/;

const recordSchema = v.strictObject({
  /** Folders may not tell upper from lower case; ids do. */
  id: v.string(),
  tokenSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  manifest: v.pipe(v.unknown(), v.transform(parseShareManifest)),
});
type ShareRecord = v.InferOutput<typeof recordSchema>;

/**
 * Shares, `shares/<id>.json`, and which adapter on this server each of them needs, `references/<sha256>/<id>`.
 *
 * A reference is written before its share and removed after it, so a process killed in between leaves a reference too many, never one
 * too few: no adapter goes while a share needs it. Each record is one atomic put. Everything about one adapter is done under the lock of its hash.
 */
export class ShareStore {
  readonly #storage: Storage;
  readonly #adapters: AdapterStore;
  readonly #locks: KeyedLock;

  constructor(storage: Storage, adapters: AdapterStore, locks: KeyedLock) {
    this.#storage = storage;
    this.#adapters = adapters;
    this.#locks = locks;
  }

  /**
   * Stores a share; when this returns, it lasts. `token` allows to delete it and is not kept here.
   * @throws HttpError 409 when the adapter is to lie here and does not
   */
  async create(manifest: ShareManifest): Promise<{ id: string; token: string }> {
    const id = randomBytes(12).toString('base64url');
    const token = randomBytes(32).toString('base64url');
    const record: ShareRecord = { id, tokenSha256: sha256(token).toString('hex'), manifest };
    const needed = storedAdapter(manifest);
    if (needed === null) await writeJson(this.#storage, shareKey(id), record);
    else {
      await this.#locks.run(needed.sha256, async () => {
        const seal = await this.#adapters.find(needed.sha256);
        if (seal?.bytes !== needed.bytes) throw adapterMissing(needed, seal?.bytes ?? null);
        await writeJson(this.#storage, referenceKey(needed.sha256, id), {});
        await writeJson(this.#storage, shareKey(id), record);
      });
    }
    return { id, token };
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
    const needed = storedAdapter(record.manifest);
    if (needed === null) return this.#storage.removeItem(shareKey(id));
    await this.#locks.run(needed.sha256, async () => {
      await this.#storage.removeItem(shareKey(id));
      await this.#storage.removeItem(referenceKey(needed.sha256, id));
      if (!(await this.#isNeeded(needed.sha256))) await this.#adapters.remove(needed.sha256);
    });
  }

  /** Removes what crashes and abandoned uploads leave: references without a share, adapters no share has needed for `graceMs`. */
  async sweep(graceMs: number): Promise<void> {
    for (const key of await this.#storage.getKeys('references')) {
      const hash = key.split(':')[1]!;
      await this.#locks.run(hash, async () => {
        if ((await this.#read(lastPart(key))) === null) await this.#storage.removeItem(key);
      });
    }
    for (const hash of await this.#adapters.hashes()) {
      await this.#locks.run(hash, async () => {
        const createdAt = (await this.#adapters.find(hash))?.createdAt ?? 0;
        if (Date.now() - createdAt > graceMs && !(await this.#isNeeded(hash)))
          await this.#adapters.remove(hash);
      });
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
