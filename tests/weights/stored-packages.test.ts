import { describe, expect, it } from 'vitest';
import {
  checkStored,
  openPackage,
  removeStored,
  storedPackages,
  storeFolder,
} from '../../src/model/weights/package.ts';
import { memoryShardStore } from '../../src/model/weights/shard-store.ts';
import { refusalCode } from './refused.ts';
import { PACKAGE_URL, serve, smallPackage, type Files } from './small-package.ts';

const blobs = (files: Files): Map<string, Blob> =>
  new Map([...files].map(([path, bytes]) => [path, new Blob([bytes])]));

describe('packages on this device', () => {
  it('are listed with where they came from, checked, and deleted', async () => {
    const { files, manifest } = await smallPackage();
    const store = memoryShardStore();
    await openPackage(PACKAGE_URL, { store, fetch: serve(files).fetch });
    const [found] = await storedPackages(store);
    expect(found).toMatchObject({ name: 'small', url: PACKAGE_URL, complete: true });
    expect(await checkStored(found!.key, store)).toEqual([]);

    const { path } = manifest.shards[1]!;
    const damaged = (await store.read(found!.key, path)).map((byte, i) => (i === 3 ? byte ^ 1 : byte));
    await store.write(found!.key, path, damaged);
    expect(await checkStored(found!.key, store)).toEqual([path]);
    await store.remove(found!.key, path);
    expect(await checkStored(found!.key, store)).toEqual([path]);
    expect((await storedPackages(store))[0]!.complete).toBe(false);
    await removeStored(found!.key, store);
    expect(await storedPackages(store)).toEqual([]);
  });

  it('can come from a folder, and open without a network', async () => {
    const { files, tensors } = await smallPackage();
    const store = memoryShardStore();
    const url = await storeFolder(blobs(files), store);
    const reader = await openPackage(url, { store, fetch: () => Promise.reject(new Error('no network')) });
    expect(reader.names.toSorted()).toEqual([...tensors.entries.keys()].toSorted());
    for (const name of reader.names) await reader.load(name);
    expect((await storedPackages(store))[0]).toMatchObject({ url, complete: true });
  });

  it('a folder that is none, or damaged, is refused and leaves nothing behind', async () => {
    const { files, manifest } = await smallPackage();
    const store = memoryShardStore();
    const shard = manifest.shards[0]!.path;
    const without = blobs(files);
    without.delete('manifest.json');
    expect(await refusalCode(() => storeFolder(without, store))).toBe('bad-package');
    const short = blobs(files).set(shard, new Blob([files.get(shard)!.slice(1)]));
    expect(await refusalCode(() => storeFolder(short, store))).toBe('bad-package');
    const flipped = blobs(files).set(
      shard,
      new Blob([files.get(shard)!.map((byte, i) => (i === 0 ? byte ^ 1 : byte))]),
    );
    expect(await refusalCode(() => storeFolder(flipped, store))).toBe('hash-mismatch');
    expect(await storedPackages(store)).toEqual([]);
  });
});
