import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { Storage } from 'unstorage';
import { jsonBytes, parseJson, putIfAbsent, readVersioned, removeIf, replaceIf } from './storage.ts';

const leaseSchema = v.object({ holder: v.string(), expiresAt: v.number() });

/**
 * Work that one of several processes does at a time: an object in the storage says who and until when, and is replaced only in the version that was
 * read. A holder that dies is followed when its time is over, by the clocks of the two. A holder that was stopped for longer finds out when it
 * renews: what it does until then must not harm (`AdapterStore.removeUnneeded`).
 */
export class Lease {
  readonly #storage: Storage;
  readonly #key: string;
  readonly #ms: number;
  readonly #holder = randomBytes(12).toString('hex');

  /** @param ms how long it is held without being renewed */
  constructor(storage: Storage, key: string, ms: number) {
    this.#storage = storage;
    this.#key = key;
    this.#ms = ms;
  }

  /**
   * Does the work while the lease is held, which is renewed all the time; the signal says when it is lost.
   * False, and nothing is done, when another holds it.
   */
  async hold(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    if (!(await this.take())) return false;
    const lost = new AbortController();
    const renewing = setInterval(() => {
      this.take().then(
        (held) => held || lost.abort(new LeaseLostError()),
        () => lost.abort(new LeaseLostError()),
      );
    }, this.#ms / 3);
    renewing.unref();
    try {
      await work(lost.signal);
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    } finally {
      clearInterval(renewing);
      await this.release();
    }
    return true;
  }

  /** Takes it, or renews it; false when another holds it. */
  async take(): Promise<boolean> {
    const mine = jsonBytes({ holder: this.#holder, expiresAt: Date.now() + this.#ms });
    const found = await readVersioned(this.#storage, this.#key);
    if (found === null) return putIfAbsent(this.#storage, this.#key, mine);
    const lease = v.safeParse(leaseSchema, parseJson(found.bytes));
    const held = lease.success && lease.output.holder !== this.#holder && lease.output.expiresAt > Date.now();
    return !held && replaceIf(this.#storage, this.#key, mine, found.version);
  }

  async release(): Promise<void> {
    const found = await readVersioned(this.#storage, this.#key);
    const lease = found && v.safeParse(leaseSchema, parseJson(found.bytes));
    if (found && lease?.success && lease.output.holder === this.#holder)
      await removeIf(this.#storage, this.#key, found.version);
  }
}

export class LeaseLostError extends Error {
  constructor() {
    super('Another process does this now.');
    this.name = 'LeaseLostError';
  }
}
