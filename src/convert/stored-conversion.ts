/** Conversions on this device: what is written down to go on with one after the page was closed. */
import * as v from 'valibot';
import { parseManifest } from '../model/weights/manifest.ts';
import { MANIFEST, SOURCE } from '../model/weights/package.ts';
import type { ShardStore } from '../model/weights/shard-store.ts';
import { fingerprintOf, type ConversionPlan } from './plan.ts';
import { JOURNAL, storedJournal } from './stored-journal.ts';

/** Stays with the finished package: it tells from which files it was made. */
const RECORD = 'conversion.json';

const schema = v.object({
  /** Of the plan: other files or choices make another package. */
  fingerprint: v.string(),
  /** The address that the package is opened by. */
  url: v.string(),
  name: v.string(),
  /** What a person gave, to go on with; a folder's name where that was a folder. */
  from: v.string(),
  kind: v.picklist(['address', 'folder']),
  bits: v.picklist([4, 8]),
  packageBytes: v.number(),
  stretches: v.number(),
});
export type ConversionRecord = v.InferOutput<typeof schema>;

export interface UnfinishedConversion {
  readonly key: string;
  readonly record: ConversionRecord;
  /** 0…1. */
  readonly kept: number;
}

export interface StoredState {
  readonly kind: 'new' | 'begun' | 'stored';
  /** What is there was made from other files. */
  readonly outdated: boolean;
  /** Bytes on this device already. */
  readonly storedBytes: number;
}

export async function stateOf(store: ShardStore, pack: string, plan: ConversionPlan): Promise<StoredState> {
  const record = await readRecord(store, pack);
  const complete = await isFinished(store, pack);
  if (!record && !complete) return { kind: 'new', outdated: false, storedBytes: 0 };
  let storedBytes = 0;
  let whole = true;
  for (const { path, byteLength } of plan.layout.shards) {
    const here = await store.byteLength(pack, path);
    storedBytes += here;
    whole &&= here === byteLength;
  }
  const same = record?.fingerprint === (await fingerprintOf(plan));
  if (!same || !whole) return { kind: 'new', outdated: complete, storedBytes };
  return { kind: complete ? 'stored' : 'begun', outdated: false, storedBytes };
}

/**
 * Makes room for all of it at once, so that a full disk is known before hours of download.
 * @throws ModelError `storage-full`; nothing stays then
 */
export async function beginConversion(
  store: ShardStore,
  pack: string,
  plan: ConversionPlan,
  record: Omit<ConversionRecord, 'fingerprint' | 'stretches'>,
): Promise<void> {
  await store.removePackage(pack);
  try {
    for (const { path, byteLength } of plan.layout.shards) {
      const file = await store.file(pack, path);
      try {
        file.resize(byteLength);
      } finally {
        file.close();
      }
    }
    await store.write(pack, SOURCE, new TextEncoder().encode(record.url));
    const whole: ConversionRecord = {
      ...record,
      fingerprint: await fingerprintOf(plan),
      stretches: plan.stretches.length,
    };
    await store.write(pack, RECORD, new TextEncoder().encode(JSON.stringify(whole)));
  } catch (error) {
    await store.removePackage(pack);
    throw error;
  }
}

/** The package is whole: nothing goes on any more. */
export async function endConversion(store: ShardStore, pack: string): Promise<void> {
  await store.remove(pack, JOURNAL);
}

export async function unfinishedConversions(store: ShardStore): Promise<UnfinishedConversion[]> {
  const found: UnfinishedConversion[] = [];
  for (const key of await store.packages()) {
    if (await isFinished(store, key)) continue;
    const record = await readRecord(store, key);
    if (!record) continue;
    const { stretches = 0 } = (await storedJournal(store, key).read()) ?? {};
    found.push({ key, record, kept: stretches / Math.max(1, record.stretches) });
  }
  return found;
}

/** The manifest is written last; one that was cut off does not count. */
async function isFinished(store: ShardStore, pack: string): Promise<boolean> {
  if ((await store.byteLength(pack, MANIFEST)) === 0) return false;
  try {
    parseManifest(new TextDecoder().decode(await store.read(pack, MANIFEST)));
    return true;
  } catch {
    return false;
  }
}

async function readRecord(store: ShardStore, pack: string): Promise<ConversionRecord | null> {
  if ((await store.byteLength(pack, RECORD)) === 0) return null;
  try {
    const text = new TextDecoder().decode(await store.read(pack, RECORD));
    return v.parse(schema, JSON.parse(text));
  } catch {
    // Written by another version of this page, or cut off: it starts anew.
    return null;
  }
}
