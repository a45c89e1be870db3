/**
 * Keeps "what the model sees" fresh while nothing is predicted. During a run the predictions themselves bring
 * those images.
 */
import { currentPolicy } from '../policy/policy-store.ts';
import { failPolicy, policyWorker } from '../policy/policy-session.ts';
import { useRunStore } from '../prediction/run-store.ts';
import { needsRestart, toFailure, type Failure } from '../status/failure.ts';
import { useCameraStore } from './camera-store.ts';
import type { FrameSource } from './frame-source.ts';
import { cameraSeen } from './seen-frames.ts';
import { slotSource } from './slots.ts';

/** Five a second is fluent enough to aim a camera by, and leaves the machine idle. */
const INTERVAL_MS = 200;

interface Fed {
  index: number;
  source: FrameSource;
}

function fedSlots(): Fed[] {
  return useCameraStore.getState().slots.flatMap((_, index) => {
    const source = slotSource(index);
    return source ? [{ index, source }] : [];
  });
}

async function previewOnce(fed: readonly Fed[]): Promise<void> {
  const frames = await Promise.all(fed.map(({ source }) => source.bitmap()));
  const images = await policyWorker().preview(frames);
  fed.forEach(({ index, source }, at) => {
    const image = images[at];
    if (image && slotSource(index) === source) cameraSeen.set(index, image);
  });
}

function tell(failure: Failure): void {
  if (needsRestart(failure.code)) failPolicy(failure);
  else useCameraStore.getState().setPreviewFailure(failure);
}

/** Starts the loop; call the result to end it. After a failure it waits until a slot is fed anew. */
export function startPreviewLoop(): () => void {
  let timer = 0;
  let ended = false;
  /** What the last preview showed, so that still images are not processed again and again. */
  let shown: { source: FrameSource; frameId: number }[] = [];

  const tick = async (): Promise<void> => {
    const idle = useRunStore.getState().status.kind === 'idle' && !document.hidden;
    const fed = fedSlots();
    const now = fed.map(({ source }) => ({ source, frameId: source.frameId() }));
    const fresh =
      now.length !== shown.length ||
      now.some((one, at) => one.source !== shown[at]?.source || one.frameId !== shown[at].frameId);
    if (idle && fresh && fed.length > 0 && currentPolicy() && !useCameraStore.getState().previewFailure) {
      shown = now;
      try {
        await previewOnce(fed);
      } catch (error) {
        const failure = toFailure(error);
        // What was wrong with images that were fed anew meanwhile says nothing about these.
        const since = fedSlots();
        const same = since.length === fed.length && since.every((one, at) => one.source === fed[at]!.source);
        // Without a policy its worker was ended on purpose, or the page tells already why.
        if (currentPolicy() && (same || needsRestart(failure.code))) tell(failure);
        shown = [];
      }
    }
    if (!ended) timer = window.setTimeout(() => void tick(), INTERVAL_MS);
  };
  void tick();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
