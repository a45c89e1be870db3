/** Makes predictions: one, or one after the other. Never more than one is in flight; each takes the newest frames. */
import type { Frame, Observation, PolicyInfo, Prediction } from '../../workers/boundary/contract.ts';
import { useCameraStore } from '../camera/camera-store.ts';
import type { FrameSource } from '../camera/frame-source.ts';
import { cameraSeen } from '../camera/seen-frames.ts';
import { allSources, rawFrames } from '../camera/slots.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { failPolicy, policyWorker } from '../policy/policy-session.ts';
import { currentPolicy } from '../policy/policy-store.ts';
import { parseValue, useStateStore } from '../state/state-store.ts';
import { needsRestart, toFailure, type Failure } from '../status/failure.ts';
import { closeFrames, keepFrames, type KeptFrame } from './kept-frames.ts';
import { usePredictionStore } from './prediction-store.ts';
import { useRunStore } from './run-store.ts';

/** The same noise each time, so that a diffusion policy's chunk changes only when its input does. */
const NOISE_SEED = 0;
/** A hidden page gets no animation frames; look for a new video frame this often then. */
const HIDDEN_POLL_MS = 250;

type Asked = Omit<Observation, 'images'>;

/** What is asked of the policy beside the images, or null while something is missing. */
function readInputs(info: PolicyInfo): Asked | null {
  const { values, unnormKey } = useStateStore.getState();
  const parsed = info.state ? values.map(parseValue) : [];
  const given = parsed.filter((value) => value !== null);
  const instruction = useInstructionStore.getState().text.trim();
  if (given.length < parsed.length || !instruction) return null;
  const state = info.state ? given : null;
  return {
    instruction,
    state,
    unnormKey,
    ...(info.head === 'diffusion' ? { seed: NOISE_SEED } : {}),
  };
}

function show(asked: Asked, prediction: Prediction, kept: KeptFrame[], startsRun: boolean): void {
  const { seen, ...numbers } = prediction;
  const { instruction, state, unnormKey, seed = null } = asked;
  seen.forEach((image, index) => cameraSeen.set(index, image));
  keepFrames(kept);
  usePredictionStore.getState().add(
    { ...numbers, instruction, state, unnormKey, seed },
    {
      stages: prediction.stages,
      elapsedMs: prediction.elapsedMs,
      finishedAtMs: performance.now(),
      startsRun,
    },
  );
}

async function predict(asked: Asked, images: Frame[], kept: KeptFrame[], startsRun: boolean): Promise<void> {
  const { inputs } = usePredictionStore.getState();
  try {
    const prediction = await policyWorker().predict({ ...asked, images });
    // A source was taken away meanwhile, or the page shows the table: what it was made from is not there any more.
    if (usePredictionStore.getState().inputs !== inputs) {
      closeFrames(kept);
      return;
    }
    show(asked, prediction, kept, startsRun);
  } catch (error) {
    closeFrames(kept);
    throw error;
  }
}

/** Exact pixels: what is sent is read once and copied. */
async function predictRaw(asked: Asked, sources: FrameSource[]): Promise<void> {
  const images = rawFrames(sources);
  const kept = images.map((image) => ({ ...image, data: image.data.slice() }));
  await predict(asked, images, kept, true);
}

/** Fast: bitmaps stay on the GPU; a second handle to each is kept for saving. */
async function predictFast(asked: Asked, sources: FrameSource[], startsRun: boolean): Promise<void> {
  const kept = await Promise.all(sources.map((source) => source.bitmap()));
  const images = await Promise.all(kept.map((bitmap) => createImageBitmap(bitmap)));
  await predict(asked, images, kept, startsRun);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (document.hidden) setTimeout(resolve, HIDDEN_POLL_MS);
    else requestAnimationFrame(() => resolve());
  });
}

/** Why a slot gives no frames: its own failure, or null where the user emptied it. */
function lostSource(): Failure | null {
  for (const slot of useCameraStore.getState().slots) if (slot.kind === 'failed') return slot.failure;
  return null;
}

function end(failure: Failure | null): void {
  useRunStore.getState().setStatus({ kind: 'idle' });
  // The policy was closed or moved elsewhere meanwhile: that its worker ended is not a failure, or was told already.
  if (!currentPolicy()) return;
  if (failure && needsRestart(failure.code)) failPolicy(failure);
  else useRunStore.getState().setFailure(failure);
}

/** A frame of a source that was closed meanwhile fails in many ways; the slot knows the reason. */
function endWith(error: unknown): void {
  end(lostSource() ?? toFailure(error));
}

export async function predictOnce(): Promise<void> {
  const info = currentPolicy();
  const sources = allSources();
  const asked = info ? readInputs(info) : null;
  if (!sources || !asked || useRunStore.getState().status.kind !== 'idle') return;
  useRunStore.setState({ status: { kind: 'once' }, failure: null });
  try {
    await predictRaw(asked, sources);
    end(null);
  } catch (error) {
    endWith(error);
  }
}

/** True while a new source is being opened: a run waits for it. */
function opening(): boolean {
  return useCameraStore.getState().slots.some(({ kind }) => kind === 'opening');
}

/** Predicts until `stopRun`, a failure, or a source that is lost. Waits for a new frame between predictions. */
export async function startRun(): Promise<void> {
  if (!currentPolicy() || useRunStore.getState().status.kind !== 'idle') return;
  useRunStore.setState({ status: { kind: 'streaming' }, failure: null });
  let shown = '';
  let startsRun = true;
  try {
    while (useRunStore.getState().status.kind === 'streaming') {
      const info = currentPolicy();
      const sources = allSources();
      if (!info || (!sources && !opening())) break;
      const asked = readInputs(info);
      // A changed instruction or state is worth a new prediction too: for still images all that can change.
      const now = JSON.stringify([sources?.map((source) => source.frameId()), asked]);
      if (!sources || !asked || now === shown) {
        await nextTurn();
        continue;
      }
      shown = now;
      await predictFast(asked, sources, startsRun);
      startsRun = false;
    }
    end(lostSource());
  } catch (error) {
    endWith(error);
  }
}

/** Ends a run; the prediction that is in flight is still shown. */
export function stopRun(): void {
  if (useRunStore.getState().status.kind === 'streaming') {
    useRunStore.getState().setStatus({ kind: 'stopping' });
  }
}
