/**
 * The page's end of the policy worker: starts it, hands frames over without copying them, and turns a crash
 * of the worker into an error of every call that was waiting.
 */
import * as Comlink from 'comlink';
import { installErrorTransfer } from './transfer.ts';
import { recordedBuffers } from './transfer-recorded.ts';
import { guardWorker, type ClientError } from './client-guard.ts';
import type { Frame, PolicyWorker } from './contract.ts';
import type { FineTuneWorker } from './contract-finetune.ts';

export interface PolicyClient extends PolicyWorker, FineTuneWorker {
  /** Ends the worker at once, without freeing what it holds: for after a crash. Waiting calls reject. */
  terminate(): void;
}

installErrorTransfer();

function crash(detail: string): ClientError {
  return {
    code: 'worker-crashed',
    message: `The worker that runs the policy stopped: ${detail}.`,
    hint: 'Restart it. The policy is stored on this device and is not downloaded again.',
  };
}

/** Frames are moved, not copied; the sender can no longer read them afterwards. */
function transferables(images: readonly Frame[]): Transferable[] {
  return images.map((image) => ('data' in image ? image.data.buffer : image));
}

/**
 * Starts a worker. `onCrash` is called once, when it dies by itself; calls that were waiting reject with a
 * `ClientError` of code `worker-crashed`, and so does every later call.
 */
export function connectPolicyWorker(onCrash: (error: ClientError) => void): PolicyClient {
  const worker = new Worker(new URL('./policy-worker.ts', import.meta.url), {
    type: 'module',
    name: 'policy',
  });
  const remote = Comlink.wrap<PolicyWorker & FineTuneWorker>(worker);
  const { guard, terminate } = guardWorker(worker, crash, onCrash);

  return {
    inspect: (url, backend) => guard(() => remote.inspect(url, backend)),
    load: (url, backend, onProgress) => guard(() => remote.load(url, backend, Comlink.proxy(onProgress))),
    cancelLoad: () => guard(() => remote.cancelLoad()),
    predict: (observation) =>
      guard(() => remote.predict(Comlink.transfer(observation, transferables(observation.images)))),
    preview: (images) => guard(() => remote.preview(Comlink.transfer(images, transferables(images)))),
    remove: (url) => guard(() => remote.remove(url)),
    storedPackages: () => guard(() => remote.storedPackages()),
    checkStored: (key, onProgress) => guard(() => remote.checkStored(key, Comlink.proxy(onProgress))),
    removeStored: (key) => guard(() => remote.removeStored(key)),
    storeFolder: (files, onProgress) => guard(() => remote.storeFolder(files, Comlink.proxy(onProgress))),
    dispose: () => guard(() => remote.dispose()),

    openDemonstrations: (source, onProgress) =>
      guard(() =>
        remote.openDemonstrations(
          source.kind === 'recorded' ? Comlink.transfer(source, recordedBuffers(source.recorded)) : source,
          Comlink.proxy(onProgress),
        ),
      ),
    closeDemonstrations: () => guard(() => remote.closeDemonstrations()),
    editDemonstrations: (edits) => guard(() => remote.editDemonstrations(edits)),
    reviewDemonstrations: (onProgress) => guard(() => remote.reviewDemonstrations(Comlink.proxy(onProgress))),
    episode: (index) => guard(() => remote.episode(index)),
    episodeFrames: (index, camera, steps) => guard(() => remote.episodeFrames(index, camera, steps)),
    checkEpisode: (index, step) => guard(() => remote.checkEpisode(index, step)),
    estimateFineTune: (options) => guard(() => remote.estimateFineTune(options)),
    fineTune: (options, resume, onEvent) =>
      guard(() => remote.fineTune(options, resume, Comlink.proxy(onEvent))),
    pauseFineTune: () => guard(() => remote.pauseFineTune()),
    continueFineTune: () => guard(() => remote.continueFineTune()),
    cancelFineTune: () => guard(() => remote.cancelFineTune()),
    runs: () => guard(() => remote.runs()),
    removeRun: (run) => guard(() => remote.removeRun(run)),
    adapters: () => guard(() => remote.adapters()),
    useAdapter: (id) => guard(() => remote.useAdapter(id)),
    openRun: (run, step) => guard(() => remote.openRun(run, step)),
    exportAdapter: (id, kind, onProgress) =>
      guard(() => remote.exportAdapter(id, kind, Comlink.proxy(onProgress))),
    importAdapter: (source) => guard(() => remote.importAdapter(source)),
    adapterFile: (id) => guard(() => remote.adapterFile(id)),
    openAdapterFile: (file, label) => guard(() => remote.openAdapterFile(file, label)),
    terminate,
  };
}
