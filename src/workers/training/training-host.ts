import { ModelError } from '../../base/errors.ts';
import { shapesOf, trainedFromCheckpoint } from '../../model/finetune/parameters.ts';
import { runTraining } from '../../model/finetune/run.ts';
import type { TrainedState } from '../../model/finetune/trained.ts';
import { Trainer } from '../../model/finetune/trainer.ts';
import { adaptedConfig } from '../../model/policy/own-config.ts';
import type { PolicyConfig } from '../../model/policy/config.ts';
import type { AdaptersHost } from '../policy/adapters-host.ts';
import type {
  FineTuneEstimate,
  FineTuneEvent,
  FineTuneOptions,
  FineTuneProgress,
  RunInfo,
  TrainingApi,
} from '../boundary/contract-finetune.ts';
import { openDemonstrations } from './demonstrations.ts';
import type { DemonstrationsHost } from './demonstrations-host.ts';
import { runGoesOn, type Tenancy } from '../lease.ts';
import type { LoadedPolicy, PolicyLease } from '../policy/loaded-policy.ts';
import type { RecordedDemonstrations } from '../boundary/contract-practice.ts';
import { PauseGate } from './pause-gate.ts';
import { ProgressReport } from './progress-report.ts';
import { RunEstimator } from './run-estimate.ts';
import { runRecord } from './run-record.ts';
import type { StoredRuns } from './stored-runs.ts';
import type { Surroundings } from '../surroundings.ts';
import { startingPoint, trainingOptions, type RunStart } from './run-start.ts';
import { timeSteps } from './step-time.ts';
import { trainingData } from './training-data.ts';

interface Parts {
  readonly runs: StoredRuns;
  readonly adapters: AdaptersHost;
  readonly demonstrations: DemonstrationsHost;
}

interface Start extends RunStart {
  readonly progress: ProgressReport;
  readonly onEvent: (event: FineTuneEvent) => void;
}

/** Fine-tuning in the worker: one run at a time, as a tenant of the lease; predictions are answered between its steps. */
export class TrainingHost implements TrainingApi {
  readonly #lease: PolicyLease;
  readonly #around: Surroundings;
  readonly #parts: Parts;
  readonly #estimator: RunEstimator;
  /** Of the run that goes on. */
  #gate = new PauseGate();
  #saveAsked = false;

  constructor(lease: PolicyLease, around: Surroundings, parts: Parts) {
    this.#lease = lease;
    this.#around = around;
    this.#parts = parts;
    this.#estimator = new RunEstimator(around, parts.adapters);
    lease.belongs(async () => this.#estimator.reset());
  }

  async estimate(options: FineTuneOptions): Promise<FineTuneEstimate> {
    const timed = this.#lease.state.run === null;
    if (timed) await this.#parts.demonstrations.prepare(options.robot, options.startFrom);
    return this.#lease.turn('predicting', (held) =>
      this.#estimator.estimate(held, options, this.#parts.demonstrations.opened, timed),
    );
  }

  async stepTime(options: FineTuneOptions, recorded: RecordedDemonstrations): Promise<number> {
    const { adapters } = this.#parts;
    const policies = { base: this.#lease.facts.config, other: adapters.other };
    const opened = await openDemonstrations({ kind: 'recorded', recorded }, policies, () => undefined);
    try {
      return await this.#lease.turn('switching', (held, signal) =>
        timeSteps(
          held,
          { options, facts: held, opened, checkpoint: null },
          { adapters, now: this.#around.now, signal },
        ),
      );
    } finally {
      await opened.original.close();
    }
  }

  /** @throws ModelError where the run cannot start or a step fails; the last checkpoint stays */
  async start(
    options: FineTuneOptions,
    resume: boolean,
    onEvent: (event: FineTuneEvent) => void,
  ): Promise<FineTuneProgress> {
    const { demonstrations, runs } = this.#parts;
    // What was edited a moment ago counts.
    await demonstrations.settled();
    await demonstrations.prepare(options.robot, ...(await this.#startOf(options, resume)));
    return this.#lease.train(options.run, (tenancy) => {
      this.#gate = new PauseGate();
      this.#saveAsked = false;
      return runs.exclusively(options.run, () => this.#prepared(tenancy, options, resume, onEvent));
    });
  }

  /** The adapter that a run starts from; of a stored one, what it is of. */
  async #startOf(
    { run, startFrom }: FineTuneOptions,
    resume: boolean,
  ): Promise<[startFrom: string | null, config?: PolicyConfig]> {
    if (!resume || !(await this.#parts.runs.has(run))) return [startFrom];
    const { config, source } = this.#lease.facts;
    const checkpoint = await this.#parts.runs.checkpoint(run, null);
    return [null, adaptedConfig(config, trainedFromCheckpoint(config, shapesOf(source), checkpoint))];
  }

  async #prepared(
    tenancy: Tenancy<LoadedPolicy>,
    options: FineTuneOptions,
    resume: boolean,
    onEvent: (event: FineTuneEvent) => void,
  ): Promise<FineTuneProgress> {
    const { demonstrations, runs } = this.#parts;
    const facts = this.#lease.facts;
    const { opened } = demonstrations;
    if (!opened) {
      throw new ModelError('bad-input', 'There are no demonstrations to train on.', 'Open some first.');
    }
    // What a stored run went on from need not be here any more: its checkpoint holds all.
    const asked = resume ? { ...options, startFrom: null } : options;
    const { refusal, live } = await tenancy.turn(async (held) => ({
      refusal: (await this.#estimator.estimate(held, asked, opened, false)).refusal,
      live: held.runtime.live,
    }));
    if (refusal) throw new ModelError('bad-input', refusal.message, refusal.hint);
    const progress = new ProgressReport(options, { live, now: this.#around.now, onEvent });
    progress.phase('preparing');
    const checkpoint = resume ? await runs.resumable(options.run, facts.hash, opened) : null;
    if (!resume && (await runs.has(options.run))) {
      throw new ModelError(
        'bad-input',
        `There is already a run "${options.run}" on this device.`,
        'Resume it, delete it, or choose another name.',
      );
    }
    return this.#run(tenancy, { options, facts, opened, checkpoint, progress, onEvent });
  }

  async #run(tenancy: Tenancy<LoadedPolicy>, start: Start): Promise<FineTuneProgress> {
    const { options, facts, opened, progress } = start;
    const { adapters, runs } = this.#parts;
    const { own, statistics, parameters } = await startingPoint(start, adapters);
    const { train, validation } = trainingData(opened, options, facts, statistics);
    let trainer: Trainer | null = null;
    let whole = false;
    try {
      trainer = await tenancy.turn(async ({ variants }) => {
        const inUse = await variants.get({ own, statistics });
        inUse.policy.setAside(parameters.trained.keys());
        const made = new Trainer({
          run: options.run,
          policy: inUse.policy,
          own,
          parameters,
          train,
          validation,
          options: trainingOptions(options),
          statistics,
        });
        // From here on, and not a moment before, predictions are the run's, with its statistics.
        variants.use(inUse);
        return made;
      });
      this.#restore(trainer, start);
      const from = options.startFrom === null || start.checkpoint ? null : adapters.nameOf(options.startFrom);
      const record = runRecord(start.checkpoint ? options : { ...options, startFrom: from }, facts, opened);
      const end = await runTraining(trainer, runs.store, { record }, progress.events, {
        signal: tenancy.signal,
        gate: () => this.#gate.waiting,
        saveAsked: () => {
          const asked = this.#saveAsked;
          this.#saveAsked = false;
          return asked;
        },
        exclusively: (task) => tenancy.turn(task),
      });
      whole = true;
      await this.#finish(tenancy, trainer, progress);
      trainer = null;
      progress.phase(end);
      return progress.current;
    } catch (error) {
      progress.failed(error);
      throw error;
    } finally {
      // After a failure the parameters may be half a step, or not numbers at all; the checkpoints are whole.
      if (!whole) await this.#letGo(tenancy, trainer);
      await train.close();
      await validation?.close();
    }
  }

  #restore(trainer: Trainer, { checkpoint, progress, onEvent }: Start): void {
    if (checkpoint) {
      trainer.restore(checkpoint);
      const { steps, validations } = trainer.history;
      onEvent({ kind: 'history', steps: [...steps], validations: [...validations] });
      progress.saved(checkpoint.step);
    }
    progress.trainerBytes = trainer.trainables.byteLength;
    progress.at(trainer.step);
  }

  /** What was trained becomes an adapter, and is in use; the run lets go of the policy. */
  async #finish(tenancy: Tenancy<LoadedPolicy>, trainer: Trainer, progress: ProgressReport): Promise<void> {
    const { adapters } = this.#parts;
    const { step } = trainer;
    let trained: { id: string; state: TrainedState } | null = null;
    try {
      if (step > 0) {
        const state = await tenancy.turn(() => trainer.trained());
        const { id } = await adapters.remember(state, progress.current.savedStep === step);
        trained = { id, state };
      }
    } finally {
      await tenancy.letGo(async (held) => {
        trainer.dispose();
        await adapters.takeBack(held, trained);
      });
    }
  }

  async #letGo(tenancy: Tenancy<LoadedPolicy>, trainer: Trainer | null): Promise<void> {
    await tenancy.letGo(async (held) => {
      trainer?.dispose();
      // Why the run ended is told. Where the base's head cannot be read again, whatever asks for it says so.
      await this.#parts.adapters.takeBack(held, null).catch(() => undefined);
    });
  }

  async pause(): Promise<void> {
    if (this.#lease.state.run !== null) this.#gate.close();
  }

  async continue(): Promise<void> {
    this.#gate.open();
  }

  async save(): Promise<void> {
    this.#saveAsked = true;
  }

  runs(): Promise<RunInfo[]> {
    return this.#parts.runs.list();
  }

  async removeRun(run: string): Promise<void> {
    if (this.#lease.state.run === run) throw runGoesOn(run);
    await this.#parts.runs.remove(run);
    this.#parts.adapters.forgetRun(run);
  }
}
