/** Where the files of a page are kept: on the device where the browser lets it, else in memory until the page is closed. */
import { ModelError } from '../../base/errors.ts';
import { opfsShardStore } from './opfs-store.ts';
import { memoryShardStore, type ShardStore } from './shard-store.ts';

/** As `opfsShardStore`, in memory where there is no OPFS (pages over http, some private windows) or it refuses to be opened. */
export function browserShardStore(
  area: 'packages' | 'runs',
  onDevice: ShardStore = opfsShardStore(area),
): ShardStore {
  let chosen: Promise<ShardStore> | null = null;
  const store = () => (chosen ??= choose(onDevice));
  return {
    packages: async () => (await store()).packages(),
    files: async (...args) => (await store()).files(...args),
    byteLength: async (...args) => (await store()).byteLength(...args),
    read: async (...args) => (await store()).read(...args),
    write: async (...args) => (await store()).write(...args),
    appender: async (...args) => (await store()).appender(...args),
    file: async (...args) => (await store()).file(...args),
    remove: async (...args) => (await store()).remove(...args),
    removePackage: async (...args) => (await store()).removePackage(...args),
    exclusively: async (...args) => (await store()).exclusively(...args),
  };
}

async function choose(onDevice: ShardStore): Promise<ShardStore> {
  try {
    await onDevice.packages();
    return onDevice;
  } catch (error) {
    if (!isRefused(error)) throw error;
    return memoryShardStore();
  }
}

/** Not there, or forbidden. A full disk is neither: what is stored can be read. */
function isRefused(error: unknown): boolean {
  if (error instanceof ModelError) return error.code === 'unsupported';
  return error instanceof DOMException && error.name !== 'QuotaExceededError';
}
