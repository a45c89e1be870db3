import { ModelError } from '../model/errors.ts';
import {
  continuedParameters,
  initialParameters,
  shapesOf,
  trainedFromCheckpoint,
} from '../model/finetune/parameters.ts';
import { runTraining } from '../model/finetune/run.ts';
import { Trainer, type TrainingOptions } from '../model/finetune/trainer.ts';
import type { DatasetStatistics } from '../model/policy/statistics.ts';
import { opfsShardStore } from '../model/weights/opfs-store.ts';
import { AdaptersHost } from './adapters-host.ts';
import type {
  AdapterInfo,
  DemonstrationsInfo,
  DemonstrationsSource,
  EpisodeEdits,
  FineTuneEstimate,
  FineTuneEvent,
  FineTuneOptions,
  FineTuneProgress,
} from './contract-finetune.ts';
import { DemonstrationsHost } from './demonstrations-host.ts';
import { ProgressReport } from './progress-report.ts';
import { RunEstimator } from './run-estimate.ts';
import { runRecord } from './run-record.ts';
import { StoredRuns } from './stored-runs.ts';
import type { TrainablePolicy } from './trainable-policy.ts';
import { runStatistics, trainingData } from './training-data.ts';

interface Running {
  readonly trainer: Trainer;
  /** What it is trained with. */
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  readonly stop: AbortController;
  /** Resolves when the run has ended and has let go of the policy. */
  readonly ended: Promise<void>;
  gate: { promise: Promise<void>; open: () => void } | null;
}

/** Fine-tuning in the worker: demonstrations, one run at a time, runs on this device, adapters over the loaded policy. */
export class FineTuneHost {
  readonly #loaded: () => TrainablePolicy;
  readonly #estimator: RunEstimator;
  readonly demonstrations: DemonstrationsHost;
  readonly adapters: AdaptersHost;
  readonly runs = new StoredRuns(opfsShardStore('runs'));
  #running: Running | null = null;
  /** A run is being prepared. */
  #starting = false;
  /** It was stopped before it began. */
  #unwanted = false;

  constructor(loaded: () => TrainablePolicy) {
    this.#loaded = loaded;
    this.adapters = new AdaptersHost(loaded);
    this.#estimator = new RunEstimator(loaded, this.adapters);
    this.demonstrations = new DemonstrationsHost(
      () => loaded().policy,
      () => this.statistics ?? loaded().policy.config.statistics,
    );
  }

  /** To be called when the policy is replaced: adapters and demonstrations belonged to it. */
  async reset(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.adapters.reset();
    this.#estimator.reset();
    await this.closeDemonstrations();
  }

  /** Statistics that replace the policy's own while a run or an adapter has it. */
  get statistics(): Readonly<Record<string, DatasetStatistics>> | null {
    return this.#running?.statistics ?? this.adapters.statistics;
  }

  async openDemonstrations(
    source: DemonstrationsSource,
    onProgress: (done: number, total: number) => void,
  ): Promise<DemonstrationsInfo> {
    this.#idle();
    return this.demonstrations.open(source, onProgress);
  }

  async closeDemonstrations(): Promise<void> {
    this.#idle();
    await this.demonstrations.close();
  }

  async editDemonstrations(edits: EpisodeEdits): Promise<DemonstrationsInfo> {
    this.#idle();
    return this.demonstrations.edit(edits);
  }

  /** @throws ModelError `bad-input` while a run reads the demonstrations */
  #idle(): void {
    if (this.#running || this.#starting) throw busy();
  }

  async estimate(options: FineTuneOptions): Promise<FineTuneEstimate> {
    return this.#estimator.estimate(options, this.demonstrations.opened, this.#running === null);
  }

  /** @throws ModelError where the run cannot start or a step fails; the last checkpoint stays */
  async fineTune(
    options: FineTuneOptions,
    resume: boolean,
    onEvent: (event: FineTuneEvent) => void,
  ): Promise<FineTuneProgress> {
    if (this.#running || this.#starting) throw busy();
    this.#starting = true;
    this.#unwanted = false;
    try {
      return await this.#fineTune(options, resume, onEvent);
    } finally {
      this.#starting = false;
    }
  }

  async #fineTune(
    options: FineTuneOptions,
    resume: boolean,
    onEvent: (event: FineTuneEvent) => void,
  ): Promise<FineTuneProgress> {
    const loaded = this.#loaded();
    const { opened } = this.demonstrations;
    if (!opened) {
      throw new ModelError('bad-input', 'There are no demonstrations to train on.', 'Open some first.');
    }
    // What a stored run went on from need not be here any more: its checkpoint holds all.
    const { refusal } = await this.estimate(resume ? { ...options, startFrom: null } : options);
    if (refusal) throw new ModelError('bad-input', refusal.message, refusal.hint);
    const progress = new ProgressReport(options, loaded.runtime, onEvent);
    progress.phase('preparing');
    const checkpoint = resume ? await this.runs.resumable(options.run, loaded.hash, opened) : null;
    if (!resume && (await this.runs.has(options.run))) {
      throw new ModelError(
        'bad-input',
        `There is a run "${options.run}" on this device already.`,
        'Resume or delete it, or choose another name.',
      );
    }
    const { policy, source, turn } = loaded;
    const before = checkpoint
      ? trainedFromCheckpoint(policy.config, shapesOf(source), checkpoint)
      : options.startFrom === null
        ? null
        : this.adapters.state(options.startFrom);
    const statistics = checkpoint
      ? (before!.statistics as Record<string, DatasetStatistics>)
      : runStatistics(opened, options, loaded, this.adapters);
    const { train, validation } = trainingData(opened, options, loaded, statistics);
    const shapes = shapesOf(source);
    const parameters = before
      ? continuedParameters(policy.config, shapes, before)
      : await initialParameters(policy.config, source, {
          lora: options.lora,
          freshModules: options.freshModules,
          seed: options.seed,
        });
    const trainer = new Trainer({
      run: options.run,
      policy,
      parameters,
      train,
      validation,
      options: trainingOptions(options),
      statistics,
    });
    const ended = deferred();
    const running: Running = {
      trainer,
      statistics,
      stop: new AbortController(),
      ended: ended.promise,
      gate: null,
    };
    this.#running = running;
    if (this.#unwanted) running.stop.abort();
    let whole = false;
    try {
      if (checkpoint) {
        trainer.restore(checkpoint);
        const { steps, validations } = trainer.history;
        onEvent({ kind: 'history', steps: [...steps], validations: [...validations] });
        progress.saved(checkpoint.step);
      }
      progress.trainerBytes = trainer.trainables.byteLength;
      progress.at(trainer.step);
      const record = runRecord(options, loaded, opened);
      const end = await runTraining(trainer, this.runs.store, { record }, progress.events, {
        signal: running.stop.signal,
        gate: () => running.gate?.promise ?? null,
        exclusively: (task) => turn.run(task),
      });
      whole = true;
      progress.phase(end);
      return progress.current;
    } catch (error) {
      progress.failed(error);
      throw error;
    } finally {
      await turn.run(async () => {
        // After a failure the parameters may be half a step, or not numbers at all; the checkpoints are whole.
        const trained = whole ? await trainer.trained() : null;
        trainer.dispose();
        this.#running = null;
        if (trained && trained.step > 0) this.adapters.use(this.adapters.remember(trained, options.run).id);
        else this.adapters.useAgain();
      });
      await train.close();
      await validation?.close();
      ended.resolve();
    }
  }

  pause(): void {
    const running = this.#running;
    if (!running || running.gate) return;
    const { promise, resolve } = deferred();
    running.gate = { promise, open: resolve };
  }

  continue(): void {
    const gate = this.#running?.gate;
    if (this.#running) this.#running.gate = null;
    gate?.open();
  }

  cancel(): void {
    this.#running?.stop.abort();
    // Whoever stops a run that is being prepared means that one.
    this.#unwanted = this.#starting;
  }

  async removeRun(run: string): Promise<void> {
    if (this.#running?.trainer && this.#running.trainer.run === run) throw busy();
    await this.runs.remove(run);
  }

  async useAdapter(id: string | null): Promise<void> {
    if (this.#running) throw busy();
    await this.#loaded().turn.run(async () => this.adapters.use(id));
  }

  async openRun(run: string, step: number | null): Promise<AdapterInfo> {
    const loaded = this.#loaded();
    const checkpoint = await this.runs.checkpoint(run, step);
    const state = trainedFromCheckpoint(loaded.policy.config, shapesOf(loaded.source), checkpoint);
    return this.adapters.remember(state, run);
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  const waiting: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => waiting.push(resolve));
  return { promise, resolve: () => waiting.forEach((resolve) => resolve()) };
}

function busy(): ModelError {
  return new ModelError('bad-input', 'A fine-tuning run is going on.', 'Pause or cancel it first.');
}

function trainingOptions(options: FineTuneOptions): TrainingOptions {
  const {
    run: _run,
    validationFraction: _fraction,
    lora: _lora,
    freshModules: _fresh,
    startFrom: _start,
    statistics: _statistics,
    demonstrationWeight: _weight,
    ...training
  } = options;
  return training;
}
