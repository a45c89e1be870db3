/** Several processes on one storage that know nothing of each other: all orders in which their requests can reach it. */
import * as fc from 'fast-check';
import { createStorage, type Storage } from 'unstorage';
import { describe, expect, it } from 'vitest';
import { AdapterStore } from '../../server/adapter-store.ts';
import { HttpError } from '../../server/http-error.ts';
import { KeyedLock } from '../../server/keyed-lock.ts';
import { Lease } from '../../server/lease.ts';
import { ShareStore } from '../../server/share-store.ts';
import { putIfAbsent, readBytes, readVersioned, removeIf, replaceIf } from '../../server/storage.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { versionedMemory } from './versioned-memory.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('a value that was read', () => {
  it('is replaced and removed once', async () => {
    const storage = createStorage({ driver: versionedMemory() });
    expect(await putIfAbsent(storage, 'a', bytes('1'))).toBe(true);
    const { version } = (await readVersioned(storage, 'a'))!;
    expect(await replaceIf(storage, 'a', bytes('2'), version)).toBe(true);
    expect(await replaceIf(storage, 'a', bytes('3'), version)).toBe(false);
    await removeIf(storage, 'a', version);
    expect(new TextDecoder().decode((await readBytes(storage, 'a'))!)).toBe('2');
    await removeIf(storage, 'a', (await readVersioned(storage, 'a'))!.version);
    expect(await readVersioned(storage, 'a')).toBe(null);
    expect(await replaceIf(storage, 'a', bytes('4'), version)).toBe(false);
  });

  it('counts as replaced when the answer was lost and the put was tried again', async () => {
    const storage = createStorage({ driver: versionedMemory() });
    await storage.setItemRaw('a', bytes('1'), {});
    const { version } = (await readVersioned(storage, 'a'))!;
    await storage.setItemRaw('a', bytes('2'), { ifVersion: version });
    expect(await replaceIf(storage, 'a', bytes('2'), version)).toBe(true);
  });
});

describe('a lease', () => {
  it('is held by one, given back, and taken over when its holder is silent', async () => {
    const storage = createStorage({ driver: versionedMemory() });
    const [one, two] = [new Lease(storage, 'lease', 1e6), new Lease(storage, 'lease', 1e6)];
    const done: string[] = [];
    const first = await one.hold(async () => {
      done.push('one');
      expect(await two.hold(() => Promise.resolve(void done.push('two, too early')))).toBe(false);
    });
    expect(first).toBe(true);
    expect(await two.hold(() => Promise.resolve(void done.push('two')))).toBe(true);
    expect(done).toEqual(['one', 'two']);

    const dead = new Lease(storage, 'lease', -1);
    expect(await dead.take()).toBe(true);
    expect(await two.take()).toBe(true);
    expect(await one.take()).toBe(false);
    await dead.release();
    expect(await one.take()).toBe(false);
    await two.release();
    expect(await one.take()).toBe(true);
  });

  it('that is lost stops what it was for', async () => {
    const storage = createStorage({ driver: versionedMemory() });
    const lease = new Lease(storage, 'lease', 30);
    const held = await lease.hold(async (signal) => {
      // Another clock, by which it is over.
      const { version } = (await readVersioned(storage, 'lease'))!;
      await replaceIf(storage, 'lease', bytes('{"holder":"other","expiresAt":9e15}'), version);
      await new Promise((stopped) => signal.addEventListener('abort', stopped));
      signal.throwIfAborted();
    });
    expect(held).toBe(true);
    expect(await new Lease(storage, 'lease', 30).take()).toBe(false);
  });
});

const ADAPTER = sampleAdapter(1, 4);
const FILE = {
  size: ADAPTER.bytes.length,
  read: (at: number, length: number) => Promise.resolve(ADAPTER.bytes.slice(at, at + length)),
};

interface Process {
  readonly adapters: AdapterStore;
  readonly shares: ShareStore;
}

async function start(storage: Storage): Promise<Process> {
  const adapters = await AdapterStore.open(storage);
  return { adapters, shares: await ShareStore.open(storage, adapters, new KeyedLock()) };
}

it('whatever the order, an acknowledged share keeps its adapter', async () => {
  let acknowledged = 0;
  let refused = 0;
  const run = async (scheduler: fc.Scheduler, seeds: readonly number[]): Promise<void> => {
    let scheduled = false;
    const before = () => (scheduled ? scheduler.schedule(Promise.resolve()) : Promise.resolve());
    const storage = createStorage({ driver: versionedMemory(before) });
    const processes = await Promise.all([start(storage), start(storage), start(storage)]);
    const [{ adapters, shares: first }] = processes;
    await adapters.add(ADAPTER.sha256, FILE);
    const made = await first.create(sampleManifest(ADAPTER));
    const known = new Set<string>();
    scheduled = true;
    const work = seeds.map(async (seed, index) => {
      const { adapters: store, shares } = processes[index % 3]!;
      if (seed === 0) await shares.remove(made.id, made.token).catch(ignoreRefusal);
      // References without a share, and adapters without references, are as old as they need to be.
      else if (seed === 1) await store.removeUnneeded(ADAPTER.sha256, () => isNeeded(storage));
      else if (seed === 2) await store.add(ADAPTER.sha256, FILE);
      else {
        try {
          const { id } = await shares.create(sampleManifest(ADAPTER));
          known.add(id);
        } catch (error) {
          ignoreRefusal(error);
          refused++;
        }
      }
    });
    const all = Promise.all(work);
    await scheduler.waitFor(all);
    scheduled = false;
    const after = await start(storage);
    for (const id of known) {
      acknowledged++;
      expect(await after.shares.find(id)).not.toBe(null);
      const seal = await after.adapters.find(ADAPTER.sha256);
      expect(seal).not.toBe(null);
      expect(await after.adapters.readBlock(ADAPTER.sha256, seal!, 0)).toEqual(ADAPTER.bytes);
    }
  };
  const work = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 5 });
  await fc.assert(fc.asyncProperty(fc.scheduler(), work, run), { numRuns: 400, seed: 21 });
  // Both happen.
  expect(acknowledged).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(10);
}, 120_000);

async function isNeeded(storage: Storage): Promise<boolean> {
  return (await storage.getKeys(`references:${ADAPTER.sha256}`)).length > 0;
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof HttpError)) throw error;
}
