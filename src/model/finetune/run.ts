/** The loop around a trainer: steps, validations, checkpoints; to be paused and stopped between steps. */
import { ModelError } from '../../base/errors.ts';
import type { ShardStore } from '../weights/shard-store.ts';
import { saveCheckpoint } from './checkpoints.ts';
import type { StepReport, Trainer, ValidationReport } from './trainer.ts';

export interface RunEvents {
  phase(phase: 'training' | 'validating' | 'saving' | 'paused'): void;
  step(report: StepReport): void;
  validation(report: ValidationReport): void;
  saved(step: number): void;
  /** A checkpoint could not be written; the earlier ones stay and training goes on. */
  saveFailed(error: ModelError): void;
}

export interface RunControl {
  /** Stops after the current step, with a checkpoint. */
  readonly signal: AbortSignal;
  /** Whether a checkpoint was asked for since this was asked last. */
  readonly saveAsked?: () => boolean;
  /** Resolves when the run may go on; null while it need not wait. */
  readonly gate: () => Promise<void> | null;
  /** Runs a step, a validation or the reading of a checkpoint while nothing else uses the policy. */
  readonly exclusively: <T>(task: () => Promise<T>) => Promise<T>;
  /** Milliseconds; `performance.now` unless given. */
  readonly now?: () => number;
}

/** Lets waiting messages in: on WASM a step never leaves the thread by itself, and a timer would cost 4 ms. */
const yieldToMessages = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });

/** Checkpoints that stay: of a small policy enough to go back to, of a large one as few as are safe. */
const SMALL = 100e6;
const MANY = 6;
const FEW = 2;

/**
 * Between them a run is saved so often that what a closed page loses is small, and so seldom that it costs a fortieth of the time. Each of
 * these takes the place of the one before.
 */
const AT_LEAST_MS = 5_000;
const TIMES_A_SAVE = 40;

/**
 * Trains until `maxSteps` or until stopped. Checkpoints are saved every `saveFreq` steps, after the first, every few seconds, at the end and
 * when asked for; with a `saveFreq` of 0 at the end, when paused and when asked for.
 * @param extra what a checkpoint's state holds besides the trainer's own
 * @param store where checkpoints go; null keeps none
 * @throws ModelError when a step fails or the run diverges; the last checkpoint stays
 */
export async function runTraining(
  trainer: Trainer,
  store: ShardStore | null,
  extra: Readonly<Record<string, unknown>>,
  events: RunEvents,
  control: RunControl,
): Promise<'done' | 'cancelled'> {
  const { valFreq, saveFreq } = trainer.options;
  const now = control.now ?? (() => performance.now());
  let savedStep = -1;
  /** The step of the newest checkpoint where the next one takes its place. */
  let passing: number | null = null;
  let dueAt = now() + AT_LEAST_MS;
  const kept = trainer.trainables.byteLength < SMALL ? MANY : FEW;
  const save = async (briefly = false) => {
    if (!store || savedStep === trainer.step) return;
    events.phase('saving');
    const began = now();
    try {
      const checkpoint = await control.exclusively(() => trainer.checkpoint());
      const { step } = checkpoint;
      await saveCheckpoint(
        store,
        { ...checkpoint, state: { ...checkpoint.state, ...extra } },
        { keep: briefly && kept === MANY ? kept + 1 : kept, inPlaceOf: passing },
      );
      passing = briefly ? step : null;
      savedStep = step;
      events.saved(savedStep);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      events.saveFailed(error);
    }
    dueAt = now() + Math.max(AT_LEAST_MS, TIMES_A_SAVE * (now() - began));
  };
  while (!trainer.done) {
    await yieldToMessages();
    if (control.saveAsked?.()) await save();
    const wait = control.gate();
    if (wait && !control.signal.aborted) {
      await save();
      events.phase('paused');
      await Promise.race([wait, aborted(control.signal)]);
    }
    if (control.signal.aborted) {
      await save();
      return 'cancelled';
    }
    events.phase('training');
    events.step(await control.exclusively(() => trainer.trainStep()));
    const { step } = trainer;
    if (valFreq > 0 && (step % valFreq === 0 || trainer.done)) {
      events.phase('validating');
      const report = await control.exclusively(() => trainer.validate());
      if (report) events.validation(report);
    }
    // The first is early: whoever closes the page a moment later finds the run again.
    if (trainer.done || (saveFreq > 0 && (step === 1 || step % saveFreq === 0))) await save();
    else if (saveFreq > 0 && now() >= dueAt) await save(true);
  }
  return 'done';
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
