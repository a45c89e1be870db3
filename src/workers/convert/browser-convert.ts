import { encodersOf, type EncodeThread } from '../../convert/encoders.ts';
import { chooseBackend, currentHost } from '../../model/runtime/backend.ts';
import { opfsShardStore } from '../../model/weights/opfs-store.ts';
import type { ConvertSurroundings } from './convert-surroundings.ts';

/** More threads than these only wait for the network. */
const MOST_THREADS = 8;

const threads = Math.min(MOST_THREADS, Math.max(1, navigator.hardwareConcurrency));

export const browserConvert: ConvertSurroundings = {
  packages: opfsShardStore('packages'),
  fetch: (url, init) => fetch(url, init),
  now: () => performance.now(),
  threads,
  startEncoders: () => encodersOf(Array.from({ length: threads }, startThread)),
  chooseBackend: async () => (await chooseBackend(currentHost(), 'auto')).choice,
  deviceMemoryGib: (navigator as { deviceMemory?: number }).deviceMemory ?? null,
  storage: async () => {
    const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
    return quota === undefined || usage === undefined ? null : { quota, usage };
  },
};

function startThread(): EncodeThread {
  // In one expression: so the bundler knows a worker.
  const worker = new Worker(new URL('./encode-worker.ts', import.meta.url), {
    type: 'module',
    name: 'encode',
  });
  return {
    post: (message, moved) => worker.postMessage(message, moved),
    onMessage: (hear) => worker.addEventListener('message', ({ data }) => hear(data)),
    onCrash: (hear) =>
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        hear(event.message || 'it ran out of memory');
      }),
    end: () => worker.terminate(),
  };
}
