import { createTokenizer } from '../model/policy/tokenizer.ts';
import { chooseBackend, currentHost } from '../model/runtime/backend.ts';
import { createWebRuntime, DEFAULT_EXECUTOR } from '../model/runtime/web.ts';
import { browserShardStore } from '../model/weights/browser-store.ts';
import { ortFiles } from './ort-files.ts';
import { readPixels } from './read-pixels.ts';
import type { Surroundings } from './surroundings.ts';
import { browserTuningStore } from './policy/tuning-store.ts';

export function browserSurroundings(): Surroundings {
  return {
    packages: browserShardStore('packages'),
    runs: browserShardStore('runs'),
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
    chooseBackend: async (preference) => (await chooseBackend(currentHost(), preference)).choice,
    startRuntime: async (preference, onLost, takenOver) => {
      const { choice, adapter } = await chooseBackend(currentHost(), preference);
      const executor = takenOver || preference === 'webgpu-ort' ? 'onnxruntime' : DEFAULT_EXECUTOR;
      const runtime = await createWebRuntime(choice, adapter, {
        files: ortFiles,
        onLost,
        executor,
        kernelReport: takenOver,
        tuningStore: browserTuningStore,
      });
      return { choice, runtime };
    },
    createTokenizer,
    readPixels,
    deviceMemoryGib: (navigator as { deviceMemory?: number }).deviceMemory ?? null,
    storage: async () => {
      const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
      return quota === undefined || usage === undefined ? null : { quota, usage };
    },
    // Chromium ends a worker that computes two seconds after its page is gone.
    patienceMs: 3000,
  };
}
