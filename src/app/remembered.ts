/** What a visitor was at, kept on this device (IndexedDB) for the next visit: for each policy the adapter in use and the demonstrations that were open. */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { OpenOptions } from '../episodes/reading.ts';
import type { TableRobotName } from '../workers/boundary/contract-practice.ts';
import type { Place } from './demonstrations/recordings.ts';

/** Where the adapter in use can be read from again: a checkpoint of a run, or a file of its own. */
export type RememberedAdapter =
  | { readonly kind: 'run'; readonly run: string; readonly step: number }
  | { readonly kind: 'file'; readonly label: string; readonly file: Blob };

/** Where the demonstrations came from. What the expert did is done again, from the same seed: its pictures are too large to keep. */
export type RememberedDemonstrations =
  | { readonly kind: 'recorded'; readonly place: Place; readonly rehearsalSeed: number | null }
  | {
      readonly kind: 'expert';
      readonly tasks: readonly string[];
      readonly robot: TableRobotName;
      readonly episodes: number;
      readonly rehearse: boolean;
      readonly seed: number;
    }
  | { readonly kind: 'url'; readonly url: string; readonly options: OpenOptions | null };

interface Kept {
  adapter: RememberedAdapter;
  demonstrations: RememberedDemonstrations;
}

interface Schema extends DBSchema {
  kept: { key: string; value: unknown };
}

let database: Promise<IDBPDatabase<Schema>> | null = null;

function open(): Promise<IDBPDatabase<Schema>> {
  database ??= openDB<Schema>('openvla-web visit', 1, { upgrade: (db) => void db.createObjectStore('kept') });
  return database;
}

const keyOf = (policy: string, what: keyof Kept): string => `${what} of ${policy}`;

/** @param policy hash of the package @param value null to forget */
export async function remember<What extends keyof Kept>(
  policy: string,
  what: What,
  value: Kept[What] | null,
): Promise<void> {
  try {
    const db = await open();
    if (value === null) await db.delete('kept', keyOf(policy, what));
    else await db.put('kept', value, keyOf(policy, what));
  } catch {
    // A private window, or no room: the next visit begins anew.
  }
}

export async function remembered<What extends keyof Kept>(
  policy: string,
  what: What,
): Promise<Kept[What] | null> {
  try {
    return ((await (await open()).get('kept', keyOf(policy, what))) as Kept[What] | undefined) ?? null;
  } catch {
    return null;
  }
}
