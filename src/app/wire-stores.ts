/** What follows from what across the stores: the only place where one store's change leads to another's. */
import type { PolicyInfo } from '../workers/boundary/contract.ts';
import { useCameraStore } from './camera/camera-store.ts';
import { startPreviewLoop } from './camera/preview-loop.ts';
import { refreshDevices, setSlotCount } from './camera/slots.ts';
import { refreshRuns, restoreRuns } from './finetune/worker-calls.ts';
import { resetFineTune } from './finetune/finetune-store.ts';
import { useInstructionStore } from './instruction/instruction-store.ts';
import { askBeforeClosing, goesOn, mayGo } from './leaving.ts';
import { keepPage } from './offline.ts';
import { keepPlaceHistory } from './place-history.ts';
import { policyWorker } from './policy/policy-session.ts';
import { currentPolicy, isTraining, usePolicyStore } from './policy/policy-store.ts';
import { startEyesLoop } from './practice/eyes-loop.ts';
import { hidePractice, startShow, stopPractice, whyNotOnTable } from './practice/practice-run.ts';
import { instructTable } from './practice/practice-session.ts';
import { usePracticeStore } from './practice/practice-store.ts';
import { keepFrames } from './prediction/kept-frames.ts';
import { usePredictionStore } from './prediction/prediction-store.ts';
import { stopRun } from './prediction/predict-loop.ts';
import { useRunStore } from './prediction/run-store.ts';
import { useStateStore } from './state/state-store.ts';
import { addressedShare, readUrlState, writeUrlState } from './url-state.ts';
import { ignoreStrayDrops } from './stray-drops.ts';
import { stopMeasuring } from './teach/stop-measuring.ts';
import { guardUndo, putAway } from './undo/undo-store.ts';
import { guardPlaces, useViewStore } from './view-store.ts';

/** Browsers limit how often the address may be written; once typing pauses is enough. */
const URL_DELAY_MS = 300;

/** Until the show on the table has begun. */
const AFTER_FIRST_ACTIONS_MS = 5000;

/** Other robots have other cameras and other states. */
const robotOf = (info: PolicyInfo): string =>
  JSON.stringify([info.package.hash, info.imageSlots, info.state, info.actions, info.chunkSize]);

/** Called once, before the page is drawn. */
export function wireStores(): void {
  const { policyUrl, instruction, backend } = readUrlState();
  useInstructionStore.getState().setText(instruction);
  usePolicyStore.getState().setBackend(backend);

  let urlTimer = 0;
  useInstructionStore.subscribe(({ text }) => {
    clearTimeout(urlTimer);
    urlTimer = window.setTimeout(() => writeUrlState({ instruction: text.trim() }), URL_DELAY_MS);
  });

  let kept = false;
  const keepOnce = (runsOn: 'wasm' | 'webgpu'): void => {
    if (kept) return;
    kept = true;
    // Not beside the first actions.
    whenIdle(() => void keepPage(runsOn));
  };
  let adopted = '';
  let shownUrl = policyUrl;
  usePolicyStore.subscribe(({ status, inUse, url, backend: wanted }, before) => {
    if (wanted !== before.backend) writeUrlState({ backend: wanted });
    if (url !== shownUrl) {
      shownUrl = url;
      writeUrlState({ policyUrl: url });
    }
    if (status.kind !== 'ready') {
      stopRun();
      stopPractice();
      return;
    }
    if (status === before.status && inUse === before.inUse) return;
    const { info } = status;
    // The same package after a restart keeps its inputs and its last prediction.
    if (status !== before.status) {
      // A new worker knows nothing of what the one before had open.
      resetFineTune(info);
      // A share brings its own.
      void (addressedShare() ? refreshRuns() : restoreRuns());
      restoreOpen();
      keepOnce(info.backend.backend);
    }
    const predicting = inUse ?? info;
    const { unnormKey, setUnnormKey, adopt } = useStateStore.getState();
    if (adopted === robotOf(predicting)) {
      if (!predicting.unnormKeys.includes(unnormKey)) setUnnormKey(predicting.defaultUnnormKey);
      return;
    }
    adopted = robotOf(predicting);
    // What runs was told what to do with another robot.
    stopRun();
    stopPractice();
    setSlotCount(predicting.imageSlots.length);
    adopt(predicting);
    usePredictionStore.getState().clear();
    keepFrames([]);
    useRunStore.getState().setFailure(null);
  });

  // A run that ended with its camera can go on once the slot is fed again.
  useCameraStore.subscribe(({ slots }, before) => {
    const gone = before.slots.some((slot, index) => slot.kind === 'live' && slot !== slots[index]);
    if (gone && useViewStore.getState().view === 'camera') outdatePrediction();
    const { failure, setFailure } = useRunStore.getState();
    if (failure?.code.startsWith('camera-') && slots.every(({ kind }) => kind !== 'failed')) setFailure(null);
  });

  const media = navigator.mediaDevices as MediaDevices | undefined;
  media?.addEventListener('devicechange', () => void refreshDevices());
  void refreshDevices();

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    stopRun();
    stopPractice();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) hidePractice();
  });
  guardPlaces(mayGo);
  ignoreStrayDrops();
  guardUndo(goesOn);
  keepPlaceHistory(mayGo);
  askBeforeClosing();
  saveWhenHidden();
  wirePractice();
  startPreviewLoop();
  startEyesLoop();
}

/** What was open at the last visit is opened where it is shown: making episodes anew would keep the table of the first step busy. */
function restoreOpen(): void {
  const { step } = useViewStore.getState();
  if (step !== 'demonstrations' && step !== 'fine-tune') return;
  void import('./demonstrations/restore-demonstrations.ts').then(
    ({ restoreDemonstrations }) => restoreDemonstrations(),
    () => undefined,
  );
}

/** Browsers without `requestIdleCallback` get some seconds. */
function whenIdle(task: () => void): void {
  setTimeout(() => {
    if ('requestIdleCallback' in window) requestIdleCallback(task, { timeout: 10_000 });
    else task();
  }, AFTER_FIRST_ACTIONS_MS);
}

/** A run is saved whenever the page may be about to close. On a phone being hidden is the last that a page hears. */
function saveWhenHidden(): void {
  window.addEventListener('pagehide', saveRun);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) saveRun();
  });
}

function saveRun(): void {
  if (!isTraining()) return;
  void policyWorker()
    .training.save()
    .catch(() => undefined);
}

/** A prediction is gone when what it was made from is; and the frames that were kept to save it with. */
function settlePrediction(): void {
  usePredictionStore.getState().settle();
  if (!usePredictionStore.getState().latest) keepFrames([]);
}

function outdatePrediction(): void {
  usePredictionStore.getState().outdate();
  settlePrediction();
}

function wirePractice(): void {
  useViewStore.subscribe(({ view, step }, before) => {
    if (view === before.view && step === before.step) return;
    restoreOpen();
    stopRun();
    stopPractice();
    // Table and cameras see different things.
    if (view !== before.view) outdatePrediction();
  });
  useInstructionStore.subscribe(({ text }, before) => {
    if (text === before.text) return;
    // How the last run ended was about other words.
    usePracticeStore.setState({ outcome: { kind: 'none' } });
    void instructTable(text);
  });
  usePracticeStore.subscribe(({ run }, before) => {
    if (run.kind === 'idle' && before.run.kind !== 'idle') settlePrediction();
    if (run.kind === 'idle' || before.run.kind !== 'idle') return;
    stopMeasuring();
    // It is the run that is looked at now.
    putAway();
  });

  // A visitor who has done nothing yet, and was sent nothing, is shown something; once per visit.
  let shown = window.matchMedia('(prefers-reduced-motion: reduce)').matches || addressedShare() !== null;
  const begin = (): void => {
    if (shown || useViewStore.getState().view !== 'table') return;
    const { status, table, failure } = usePracticeStore.getState();
    const info = currentPolicy();
    if (!info || !table || status.kind !== 'open' || whyNotOnTable(info)) return;
    shown = true;
    // What is said of the table is to be read first.
    if (!failure) void startShow();
  };
  usePolicyStore.subscribe(begin);
  usePracticeStore.subscribe(begin);
  document.addEventListener('keydown', () => (shown = true), { once: true });
}
