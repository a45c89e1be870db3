/** The process dies before or after each single write to the storage, one run each; what is left is whole. */
import { createHash } from 'node:crypto';
import { createStorage, type Driver, type Storage } from 'unstorage';
import memoryDriver from 'unstorage/drivers/memory';
import { expect, it } from 'vitest';
import { AdapterStore, PART_BYTES } from '../../server/adapter-store.ts';
import { KeyedLock } from '../../server/keyed-lock.ts';
import { ShareStore } from '../../server/share-store.ts';
import type { ReadableFile } from '../../src/share/adapter-file.ts';
import type { ShareManifest } from '../../src/share/share-manifest.ts';
import { sampleAdapter, sampleManifest, type SampleAdapter } from './samples.ts';

class Killed extends Error {}

/** Lets so many writes through, then fails at everything, as a dead process would. The last write may get through unnoticed. */
function dying(driver: Driver, writes: number, lastGetsThrough: boolean): Driver {
  let left = writes;
  const write = async (work: () => unknown): Promise<void> => {
    if (left-- > 0) await work();
    else {
      if (left === -1 && lastGetsThrough) await work();
      throw new Killed();
    }
  };
  const alive = <T>(work: () => T): T => {
    if (left < 0) throw new Killed();
    return work();
  };
  return {
    ...driver,
    getItemRaw: (key, options) => alive(() => driver.getItemRaw!(key, options)),
    getKeys: (base, options) => alive(() => driver.getKeys(base, options)),
    setItemRaw: (key, value, options) => write(() => driver.setItemRaw!(key, value, options)),
    removeItem: (key, options) => write(() => driver.removeItem!(key, options)),
  };
}

interface Stores {
  readonly adapters: AdapterStore;
  readonly shares: ShareStore;
}

async function open(driver: Driver): Promise<Stores> {
  const storage = createStorage({ driver });
  const adapters = await AdapterStore.open(storage);
  return { adapters, shares: await ShareStore.open(storage, adapters, new KeyedLock()) };
}

function fileOf({ bytes }: SampleAdapter): ReadableFile {
  const read = (offset: number, length: number) => Promise.resolve(bytes.slice(offset, offset + length));
  return { size: bytes.length, read };
}

/** Shares come and go; `known` has those that were acknowledged and not deleted. */
async function live({ adapters, shares }: Stores, known: Map<string, ShareManifest>): Promise<void> {
  const publish = async (adapter: SampleAdapter | null) => {
    const manifest = sampleManifest(adapter);
    const made = await shares.create(manifest);
    known.set(made.id, manifest);
    return made;
  };
  const remove = async ({ id, token }: { id: string; token: string }) => {
    // From the moment it is asked for, it may be gone.
    known.delete(id);
    await shares.remove(id, token);
  };
  await adapters.add(LARGE.sha256, fileOf(LARGE));
  const first = await publish(LARGE);
  await adapters.add(SMALL.sha256, fileOf(SMALL));
  const second = await publish(LARGE);
  await publish(null);
  await remove(first);
  await remove(second);
  await adapters.add(LARGE.sha256, fileOf(LARGE));
  await publish(LARGE);
  await shares.sweep(0);
}

/** Two parts, and one. */
const LARGE = sampleAdapter(1, 44_000);
const SMALL = sampleAdapter(2, 4);

async function expectWhole(
  { adapters, shares }: Stores,
  known: ReadonlyMap<string, ShareManifest>,
): Promise<void> {
  const intact = new Set<string>();
  for (const { sha256 } of [LARGE, SMALL]) {
    const seal = await adapters.find(sha256);
    if (seal === null) continue;
    const hash = createHash('sha256');
    for (const index of seal.parts.keys()) hash.update((await adapters.readBlock(sha256, seal, index))!);
    intact.add(hash.digest('hex'));
    // Found, so whole.
    expect(intact).toContain(sha256);
  }
  for (const [id, manifest] of known) {
    expect(await shares.find(id)).toEqual(manifest);
    expect([undefined, ...intact]).toContain(manifest.adapter?.sha256);
  }
}

/** Keys of adapters and references that belong to no share. */
async function unneeded({ shares }: Stores, storage: Storage): Promise<string[]> {
  const keys = await storage.getKeys();
  const needed = new Set<string>();
  for (const key of keys.filter((one) => one.startsWith('shares:'))) {
    const id = key.slice('shares:'.length, -'.json'.length);
    const adapter = (await shares.find(id))?.adapter;
    needed.add(id);
    if (adapter) needed.add(adapter.sha256);
  }
  return keys.filter((key) => !key.startsWith('shares:') && !key.split(/[:.]/).every(belongs(needed)));
}

/** Names of folders, generations and parts are no hashes and no ids. */
function belongs(needed: ReadonlySet<string>): (part: string) => boolean {
  return (part) => part.length < 16 || /^\d{13}-/.test(part) || needed.has(part);
}

it('nothing that was acknowledged is lost, nothing damaged is found, and it goes on', async () => {
  expect(Math.ceil(LARGE.bytes.length / PART_BYTES)).toBe(2);
  let deaths = 0;
  for (const lastGetsThrough of [false, true]) {
    for (let writes = 0, finished = false; !finished; writes++) {
      const disk = memoryDriver();
      const known = new Map<string, ShareManifest>();
      try {
        await live(await open(dying(disk, writes, lastGetsThrough)), known);
        finished = true;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        deaths++;
      }
      const after = await open(disk);
      await expectWhole(after, known);
      // Sweeping takes what is left of the crash, and nothing that is needed.
      await after.shares.sweep(-1);
      await expectWhole(after, known);
      expect(await unneeded(after, createStorage({ driver: disk }))).toEqual([]);
      await live(after, known);
      await expectWhole(after, known);
    }
  }
  expect(deaths).toBeGreaterThan(30);
});
