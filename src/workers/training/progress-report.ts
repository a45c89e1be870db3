import type { ModelError } from '../../base/errors.ts';
import type { StepReport } from '../../model/finetune/trainer.ts';
import type { Runtime } from '../../model/runtime/runtime.ts';
import type {
  FineTuneEvent,
  FineTuneOptions,
  FineTunePhase,
  FineTuneProgress,
} from '../boundary/contract-finetune.ts';
import { toWorkerError } from '../boundary/transfer.ts';

/** What the page is told of a run, as it changes. */
export class ProgressReport {
  readonly #onEvent: (event: FineTuneEvent) => void;
  readonly #live: Runtime['live'];
  readonly #now: () => number;
  readonly #samplesPerStep: number;
  /** Times of the newest steps: speed is a mean over them. */
  readonly #times: number[] = [];
  current: FineTuneProgress;
  /** Gradients and moments, which the runtime does not count. */
  trainerBytes = 0;

  /** @param of `live`: what is alive on the runtime; `now`: milliseconds */
  constructor(
    options: FineTuneOptions,
    of: {
      readonly live: Runtime['live'];
      readonly now: () => number;
      readonly onEvent: (event: FineTuneEvent) => void;
    },
  ) {
    this.#onEvent = of.onEvent;
    this.#live = of.live;
    this.#now = of.now;
    this.#samplesPerStep = options.batchSize * options.gradAccumulationSteps;
    this.current = {
      run: options.run,
      phase: 'preparing',
      step: 0,
      maxSteps: options.maxSteps,
      samplesPerSecond: null,
      secondsLeft: null,
      memoryBytes: 0,
      savedStep: null,
      error: null,
    };
  }

  readonly events = {
    phase: (phase: FineTunePhase) => this.phase(phase),
    step: (report: StepReport) => {
      const { step, loss, currentL1, nextL1, learningRate, gradNorm } = report;
      this.#onEvent({ kind: 'step', point: { step, loss, currentL1, nextL1, learningRate, gradNorm } });
      this.at(step);
    },
    validation: (point: {
      step: number;
      loss: number;
      currentL1: number | null;
      nextL1: number | null;
      samples: number;
    }) => this.#onEvent({ kind: 'validation', point }),
    saved: (step: number) => this.saved(step),
    saveFailed: (error: ModelError) => this.#send({ error: toWorkerError(error) }),
  };

  phase(phase: FineTunePhase): void {
    if (phase === 'paused') this.#times.length = 0;
    this.#send({ phase });
  }

  saved(step: number): void {
    this.#send({ savedStep: step, error: null });
  }

  at(step: number): void {
    this.#times.push(this.#now());
    if (this.#times.length > 20) this.#times.shift();
    const steps = this.#times.length - 1;
    const seconds = steps > 0 ? (this.#times.at(-1)! - this.#times[0]!) / 1000 / steps : null;
    this.#send({
      step,
      samplesPerSecond: seconds && this.#samplesPerStep / seconds,
      secondsLeft: seconds && seconds * (this.current.maxSteps - step),
    });
  }

  failed(error: unknown): void {
    this.#send({ phase: 'failed', error: toWorkerError(error) });
  }

  #send(change: Partial<FineTuneProgress>): void {
    this.current = {
      ...this.current,
      ...change,
      memoryBytes: this.#live.byteLength + this.trainerBytes,
    };
    this.#onEvent({ kind: 'progress', progress: this.current });
  }
}
