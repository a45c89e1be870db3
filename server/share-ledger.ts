import type { Storage } from 'unstorage';
import { lastPart } from './storage.ts';

export interface LedgerEntry {
  readonly id: string;
  /** `ClientTags`; that of shares from before there was a ledger is `earlier`. */
  readonly client: string;
  /** Milliseconds since 1970, by the server's clock. */
  readonly createdAt: number;
  /** Of the stored record. */
  readonly bytes: number;
}

/**
 * Who made which share, when, and how large it is: `ledger/<client>/<id>.<createdAt>.<bytes>`. The keys say everything, so shares are
 * counted by listing keys and not by reading records. An entry is written before its share and removed after it.
 */
export class ShareLedger {
  readonly #storage: Storage;
  readonly #entries = new Map<string, LedgerEntry>();

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Reads what is there, which other processes may have changed. */
  async load(): Promise<void> {
    const before = [...this.#entries.keys()];
    const keys = await this.#storage.getKeys('ledger');
    const found = keys.map(parseKey).filter((entry) => entry !== null);
    const ids = new Set(found.map(({ id }) => id));
    // What was added while the keys were listed stays.
    for (const id of before) if (!ids.has(id)) this.#entries.delete(id);
    for (const entry of found) this.#entries.set(entry.id, entry);
  }

  entries(): readonly LedgerEntry[] {
    return [...this.#entries.values()];
  }

  /** How many there are and their bytes, of all or of one client. */
  total(client?: string): { count: number; bytes: number } {
    const total = { count: 0, bytes: 0 };
    for (const entry of this.#entries.values()) {
      if (client !== undefined && entry.client !== client) continue;
      total.count++;
      total.bytes += entry.bytes;
    }
    return total;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  async add(entry: LedgerEntry): Promise<void> {
    // Counted at once: another request may ask before the storage has answered.
    this.#entries.set(entry.id, entry);
    try {
      await this.#storage.setItemRaw(keyOf(entry), new TextEncoder().encode('{}'));
    } catch (error) {
      this.#entries.delete(entry.id);
      throw error;
    }
  }

  async remove(id: string): Promise<void> {
    // Another process may have made the share.
    if (!this.#entries.has(id)) await this.load();
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    await this.#storage.removeItem(keyOf(entry));
    this.#entries.delete(id);
  }
}

function keyOf({ id, client, createdAt, bytes }: LedgerEntry): string {
  return `ledger:${client}:${id}.${createdAt}.${bytes}`;
}

function parseKey(key: string): LedgerEntry | null {
  const match = /^([\w-]{16})\.(\d{1,16})\.(\d{1,9})$/.exec(lastPart(key));
  if (!match) return null;
  return {
    id: match[1]!,
    client: key.split(':')[1]!,
    createdAt: Number(match[2]),
    bytes: Number(match[3]),
  };
}
