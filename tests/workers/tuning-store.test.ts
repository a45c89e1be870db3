import { expect, it } from 'vitest';
import { browserTuningStore } from '../../src/workers/policy/tuning-store.ts';

/** A Cache Storage of one cache. */
function storage(): CacheStorage {
  const kept = new Map<string, string>();
  const cache = {
    match: async (address: string) => {
      const found = kept.get(address);
      return found === undefined ? undefined : new Response(found);
    },
    put: async (address: string, response: Response) => void kept.set(address, await response.text()),
    keys: async () => [...kept.keys()].map((address) => ({ url: address })),
    delete: async ({ url }: { url: string }) => kept.delete(url),
  };
  return { open: async () => cache } as unknown as CacheStorage;
}

const adapter = (device: string) =>
  ({ vendor: 'nvidia', architecture: 'hopper', device, description: '' }) as GPUAdapterInfo;

it('keeps choices for one adapter at a time', async () => {
  const caches = storage();
  const first = browserTuningStore(adapter('one'), caches)!;
  expect(await first.load()).toEqual({});
  await first.save({ 'linear 600x4096x4096': 'tile 128x64' });
  expect(await browserTuningStore(adapter('one'), caches)!.load()).toEqual({
    'linear 600x4096x4096': 'tile 128x64',
  });
  const second = browserTuningStore(adapter('two'), caches)!;
  expect(await second.load()).toEqual({});
  await second.save({});
  expect(await first.load()).toEqual({});
});

it('is not there where there is no Cache Storage', () => {
  expect(browserTuningStore(adapter('one'), undefined)).toBeNull();
});
