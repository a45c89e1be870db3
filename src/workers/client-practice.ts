/** The page's end of the practice worker. */
import * as Comlink from 'comlink';
import { guardWorker, type ClientError } from './client-guard.ts';
import type { PracticeWorker } from './contract-practice.ts';
import { installErrorTransfer } from './transfer.ts';

export interface PracticeClient extends PracticeWorker {
  /** Ends the worker at once. Waiting calls reject. */
  terminate(): void;
}

installErrorTransfer();

function crash(detail: string): ClientError {
  return {
    code: 'worker-crashed',
    message: `The practice table stopped: ${detail}.`,
    hint: 'Open it again. Nothing else on the page is affected.',
  };
}

export function connectPracticeWorker(onCrash: (error: ClientError) => void): PracticeClient {
  const worker = new Worker(new URL('./practice-worker.ts', import.meta.url), {
    type: 'module',
    name: 'practice',
  });
  const remote = Comlink.wrap<PracticeWorker>(worker);
  const { guard, terminate } = guardWorker(worker, crash, onCrash);
  return {
    open: (canvas, size) => guard(() => remote.open(Comlink.transfer(canvas, [canvas]), size)),
    resize: (size) => guard(() => remote.resize(size)),
    setVisible: (visible) => guard(() => remote.setVisible(visible)),
    reset: (task, seed) => guard(() => remote.reset(task, seed)),
    instruct: (instruction) => guard(() => remote.instruct(instruction)),
    observe: () => guard(() => remote.observe()),
    execute: (actions, realTime) => guard(() => remote.execute(actions, realTime)),
    halt: () => guard(() => remote.halt()),
    limitSpeed: (share) => guard(() => remote.limitSpeed(share)),
    showPath: (actions) => guard(() => remote.showPath(actions)),
    pointer: (phase, x, y) => guard(() => remote.pointer(phase, x, y)),
    orbit: (azimuth, elevation, zoom) => guard(() => remote.orbit(azimuth, elevation, zoom)),
    disturb: () => guard(() => remote.disturb()),
    demonstrate: (order, onProgress) => guard(() => remote.demonstrate(order, Comlink.proxy(onProgress))),
    rehearsal: (taught) => guard(() => remote.rehearsal(taught)),
    takeOver: (onStep) => guard(() => remote.takeOver(Comlink.proxy(onStep))),
    steer: (action) => guard(() => remote.steer(action)),
    handBack: (keep) => guard(() => remote.handBack(keep)),
    terminate,
  };
}
