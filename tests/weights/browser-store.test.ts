import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { browserShardStore } from '../../src/model/weights/browser-store.ts';
import { memoryShardStore, storageFull, type ShardStore } from '../../src/model/weights/shard-store.ts';

const refusing = (error: unknown): ShardStore => ({
  ...memoryShardStore(),
  packages: () => Promise.reject(error),
});

describe('files of a page', () => {
  it('are kept on the device where that can be', async () => {
    const device = memoryShardStore();
    await browserShardStore('packages', device).write('a', 'file', new Uint8Array([1]));
    expect([...(await device.read('a', 'file'))]).toEqual([1]);
  });

  it.each([
    ['where there is no OPFS', new ModelError('unsupported', 'none')],
    ['in a private window that refuses', new DOMException('no', 'SecurityError')],
  ])('are kept in memory %s', async (_, error) => {
    const device = refusing(error);
    const store = browserShardStore('packages', device);
    await store.exclusively('a', () => store.write('a', 'file', new Uint8Array([1, 2])));
    expect([...(await store.read('a', 'file'))]).toEqual([1, 2]);
    expect(await store.packages()).toEqual(['a']);
    expect(await device.files('a')).toEqual([]);
  });

  it('a full disk is said to be full', async () => {
    const store = browserShardStore('packages', refusing(storageFull('file')));
    await expect(store.packages()).rejects.toMatchObject({ code: 'storage-full' });
  });
});
