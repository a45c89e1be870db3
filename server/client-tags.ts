import { createHmac, randomBytes } from 'node:crypto';
import type { Storage } from 'unstorage';
import { putIfAbsent, readBytes } from './storage.ts';

const KEY = 'server:client-key';
const KEY_BYTES = 32;

/**
 * Names clients in what is stored without storing their addresses: a keyed hash, whose key lies in the storage, so that all processes and
 * restarts agree. Who can read the storage can try addresses; who sees a tag alone cannot.
 */
export class ClientTags {
  readonly #key: Uint8Array;

  private constructor(key: Uint8Array) {
    this.#key = key;
  }

  static async open(storage: Storage): Promise<ClientTags> {
    const stored = await readBytes(storage, KEY);
    if (stored?.length === KEY_BYTES) return new ClientTags(stored);
    const key = new Uint8Array(randomBytes(KEY_BYTES));
    // Another process may start at the same time; the first key counts. One that was damaged is replaced.
    if (stored !== null) await storage.setItemRaw(KEY, key);
    else if (!(await putIfAbsent(storage, KEY, key))) return ClientTags.open(storage);
    return new ClientTags(key);
  }

  /** Twelve hex digits. */
  tagOf(client: string): string {
    return createHmac('sha256', this.#key).update(client).digest('hex').slice(0, 12);
  }
}
