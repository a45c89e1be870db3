/** The worker that owns the device, the policy and the stored packages. One per page. */
import * as Comlink from 'comlink';
import type {
  CapabilityReport,
  Frame,
  LoadProgress,
  Observation,
  PolicyInfo,
  PolicyWorker,
  Prediction,
  RawImage,
} from './contract.ts';
import type { FineTuneWorker } from './contract-finetune.ts';
import { installErrorTransfer } from './transfer.ts';
import { PolicyHost } from './policy-host.ts';

installErrorTransfer();
const host = new PolicyHost();
const { finetune } = host;

const worker: PolicyWorker & FineTuneWorker = {
  inspect: (url, backend): Promise<CapabilityReport> => host.inspect(url, backend),
  load: (url, backend, onProgress: (progress: LoadProgress) => void): Promise<PolicyInfo> =>
    host.load(url, backend, onProgress),
  cancelLoad: async () => host.cancelLoad(),
  predict: async (observation: Observation): Promise<Prediction> => {
    const prediction = await host.predict(observation);
    return Comlink.transfer(
      prediction,
      prediction.seen.map(({ data }) => data.buffer),
    );
  },
  preview: async (images: Frame[]): Promise<RawImage[]> => {
    const seen = await host.preview(images);
    return Comlink.transfer(
      seen,
      seen.map(({ data }) => data.buffer),
    );
  },
  remove: (url) => host.remove(url),
  storedPackages: () => host.storedPackages(),
  checkStored: (key, onProgress) => host.checkStored(key, onProgress),
  removeStored: (key) => host.removeStored(key),
  storeFolder: (files, onProgress) => host.storeFolder(files, onProgress),
  dispose: () => host.dispose(),

  openDemonstrations: (source, onProgress) => finetune.openDemonstrations(source, onProgress),
  closeDemonstrations: () => finetune.closeDemonstrations(),
  editDemonstrations: (edits) => finetune.editDemonstrations(edits),
  reviewDemonstrations: (onProgress) => finetune.demonstrations.review(onProgress),
  episode: async (index) => {
    const track = await finetune.demonstrations.episode(index);
    return Comlink.transfer(track, [track.actions.buffer, ...(track.state ? [track.state.buffer] : [])]);
  },
  episodeFrames: async (index, camera, steps) => {
    const images = await finetune.demonstrations.frames(index, camera, steps);
    return Comlink.transfer(
      images,
      images.map(({ data }) => data.buffer),
    );
  },
  checkEpisode: (index, step) =>
    finetune.demonstrations.check(index, step, (observation) => host.predict(observation)),
  estimateFineTune: (options) => finetune.estimate(options),
  fineTune: (options, resume, onEvent) => finetune.fineTune(options, resume, onEvent),
  pauseFineTune: async () => finetune.pause(),
  continueFineTune: async () => finetune.continue(),
  cancelFineTune: async () => finetune.cancel(),
  runs: () => finetune.runs.list(),
  removeRun: (run) => finetune.removeRun(run),
  adapters: async () => finetune.adapters.list(),
  useAdapter: (id) => finetune.useAdapter(id),
  openRun: (run, step) => finetune.openRun(run, step),
  exportAdapter: (id, kind, onProgress) => finetune.adapters.exportZip(id, kind, onProgress),
  importAdapter: (source) => finetune.adapters.importFolder(source),
  adapterFile: (id) => finetune.adapters.file(id),
  openAdapterFile: (file, label) => finetune.adapters.openFile(file, label),
};

Comlink.expose(worker);
