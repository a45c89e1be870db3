/** Where a browser keeps how products are computed fastest: in Cache Storage, which workers have, too. */
import { tuningKey, type TuningStore } from '../../model/runtime/webgpu/tuner.ts';

const CACHE = 'gpu-tuning';

/** Null where there is no Cache Storage: on pages that are not secure. */
export function browserTuningStore(
  adapter: GPUAdapterInfo,
  storage: CacheStorage | undefined = globalThis.caches,
): TuningStore | null {
  if (!storage) return null;
  const address = `/${CACHE}/${encodeURIComponent(tuningKey(adapter, globalThis.navigator?.userAgent ?? ''))}`;
  return {
    load: async () => {
      const kept = await (await storage.open(CACHE)).match(address);
      return kept ? choicesOf(await kept.json()) : {};
    },
    save: async (choices) => {
      const cache = await storage.open(CACHE);
      // What was chosen for another driver, or by other kernels, is of no use any more.
      for (const known of await cache.keys()) if (!known.url.endsWith(address)) await cache.delete(known);
      await cache.put(address, Response.json(choices));
    },
  };
}

function choicesOf(kept: unknown): Record<string, string> {
  const entries = kept && typeof kept === 'object' ? Object.entries(kept) : null;
  if (entries?.every(([, choice]) => typeof choice === 'string')) return Object.fromEntries(entries);
  // Nobody else writes here; whatever it is, measuring anew costs two seconds.
  return {};
}
