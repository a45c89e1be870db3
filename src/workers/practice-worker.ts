/** The worker that owns the practice table: its physics and its drawing. Inference is another worker's. */
import * as Comlink from 'comlink';
import type { PracticeWorker } from './contract-practice.ts';
import { PracticeHost } from './practice-host.ts';
import { recordedBuffers } from './transfer-recorded.ts';
import { installErrorTransfer } from './transfer.ts';

installErrorTransfer();
const host = new PracticeHost();

const worker: PracticeWorker = {
  open: (canvas, size) => host.open(canvas, size),
  resize: (size) => host.resize(size),
  setVisible: (visible) => host.setVisible(visible),
  reset: (task, seed, realTime) => host.reset(task, seed, realTime),
  instruct: (instruction) => host.instruct(instruction),
  observe: async () => {
    const observation = await host.observe();
    return Comlink.transfer(
      observation,
      observation.images.map(({ data }) => data.buffer),
    );
  },
  execute: (actions, realTime) => host.execute(actions, realTime),
  halt: () => host.halt(),
  limitSpeed: (share) => host.limitSpeed(share),
  showPath: (actions) => host.showPath(actions),
  pointer: (phase, x, y) => host.pointer(phase, x, y),
  orbit: (azimuth, elevation, zoom) => host.orbit(azimuth, elevation, zoom),
  disturb: () => host.disturb(),
  demonstrate: async (order, onProgress) => {
    const recorded = await host.demonstrate(order, onProgress);
    return Comlink.transfer(recorded, recordedBuffers(recorded));
  },
  rehearsal: (taught) => host.rehearsal(taught),
  takeOver: (onStep) => host.takeOver(onStep),
  steer: (action) => host.steer(action),
  handBack: async (keep) => {
    const recorded = await host.handBack(keep);
    return recorded && Comlink.transfer(recorded, recordedBuffers(recorded));
  },
};

Comlink.expose(worker);
