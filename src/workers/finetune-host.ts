import { ModelError } from '../model/errors.ts';
import {
  listCheckpoints,
  loadCheckpoint,
  loadLatestCheckpoint,
  type Checkpoint,
} from '../model/finetune/checkpoints.ts';
import { DemonstrationSource, splitEpisodes } from '../model/finetune/demonstrations.ts';
import {
  activationBytes,
  bytesPerParameter,
  checkpointBytes,
  forwardTime,
  stepSeconds,
  type ForwardTime,
  whyNot,
} from '../model/finetune/estimate.ts';
import {
  continuedParameters,
  countContinued,
  countParameters,
  GROUPS,
  initialParameters,
  shapesOf,
  trainedFromCheckpoint,
  type Group,
} from '../model/finetune/parameters.ts';
import { runPass } from '../model/finetune/pass.ts';
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
  RunInfo,
} from './contract-finetune.ts';
import type { OpenedDemonstrations } from './demonstrations.ts';
import { DemonstrationsHost } from './demonstrations-host.ts';
import { ProgressReport } from './progress-report.ts';
import { runInfo, runRecord } from './run-record.ts';
import type { TrainablePolicy } from './trainable-policy.ts';

interface Running {
  readonly trainer: Trainer;
  /** What it is trained with. */
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  readonly stop: AbortController;
  /** Resolves when the run has ended and has let go of the policy. */
  readonly ended: Promise<void>;
  gate: { promise: Promise<void>; open: () => void } | null;
}

const GROUP_LABELS: Record<Group, string> = {
  lora: 'LoRA',
  action_head: 'Action head',
  proprio_projector: 'Proprio projector',
  noisy_action_projector: 'Noisy-action projector',
  film: 'FiLM',
};

/** A 32-bit WASM heap ends at 4 GiB; what JavaScript holds lies outside, but the machine has to have it. */
const WASM_HEAP = 3 * 2 ** 30;

/** Fine-tuning in the worker: demonstrations, one run at a time, runs on this device, adapters over the loaded policy. */
export class FineTuneHost {
  readonly #store = opfsShardStore('runs');
  readonly #loaded: () => TrainablePolicy;
  readonly demonstrations: DemonstrationsHost;
  readonly adapters: AdaptersHost;
  #running: Running | null = null;
  /** A run is being prepared. */
  #starting = false;
  /** It was stopped before it began. */
  #unwanted = false;
  #forwardTime: ForwardTime | null = null;

  constructor(loaded: () => TrainablePolicy) {
    this.#loaded = loaded;
    this.adapters = new AdaptersHost(loaded);
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
    this.#forwardTime = null;
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
    const loaded = this.#loaded();
    const { config } = loaded.policy;
    const shapes = shapesOf(loaded.source);
    const { startFrom } = options;
    const count =
      startFrom === null
        ? countParameters(config, shapes, options.lora)
        : countContinued(config, shapes, this.adapters.state(startFrom));
    const trained = count.trainable;
    const { opened } = this.demonstrations;
    const tokens = opened
      ? this.#sources(opened, options, this.#statistics(opened, options)).train.tokens
      : 0;
    const memory = {
      parameters: trained * bytesPerParameter(loaded.runtime.device !== null),
      activations: activationBytes(config, options.batchSize, tokens),
      base: loaded.runtime.live.byteLength,
    };
    const { deviceMemory } = navigator as { deviceMemory?: number };
    const available = deviceMemory ? deviceMemory * 2 ** 30 : null;
    const storage = await navigator.storage?.estimate?.();
    const room = storage?.quota === undefined ? null : storage.quota - (storage.usage ?? 0);
    const onDisk = checkpointBytes(trained, 0);
    const forward = opened && this.#running === null ? await this.#timeForward(opened, options) : null;
    return {
      groups: GROUPS.filter((group) => count.groups[group] > 0).map((group) => ({
        name: group,
        label: GROUP_LABELS[group],
        count: count.groups[group],
      })),
      trainable: trained,
      base: count.base,
      memory,
      available,
      checkpointBytes: onDisk,
      secondsPerStep: forward && stepSeconds(forward, options.batchSize, options.gradAccumulationSteps),
      refusal:
        misfit(opened) ??
        whyNot({
          memory,
          memoryLimit: loaded.runtime.device
            ? null
            : Math.min(available ?? Infinity, WASM_HEAP + memory.parameters),
          checkpointBytes: onDisk,
          storageRoom: room,
        }),
    };
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
    const checkpoint = resume ? await this.#resumable(options.run, loaded, opened) : null;
    if (!resume && (await listCheckpoints(this.#store, options.run)).length > 0) {
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
      : this.#statistics(opened, options);
    const { train, validation } = this.#sources(opened, options, statistics);
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
      const end = await runTraining(trainer, this.#store, { record }, progress.events, {
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

  async runs(): Promise<RunInfo[]> {
    const infos: RunInfo[] = [];
    for (const run of await this.#store.packages()) {
      const all = await listCheckpoints(this.#store, run);
      const newest = all.at(-1);
      const info =
        newest &&
        (await runInfo(
          this.#store,
          newest,
          all.map(({ step }) => step),
        ));
      if (info) infos.push(info);
    }
    return infos;
  }

  async removeRun(run: string): Promise<void> {
    if (this.#running?.trainer && this.#running.trainer.run === run) throw busy();
    await this.#store.removePackage(run);
  }

  async useAdapter(id: string | null): Promise<void> {
    if (this.#running) throw busy();
    await this.#loaded().turn.run(async () => this.adapters.use(id));
  }

  async openRun(run: string, step: number | null): Promise<AdapterInfo> {
    const loaded = this.#loaded();
    const checkpoint =
      step === null
        ? await loadLatestCheckpoint(this.#store, run)
        : await loadCheckpoint(this.#store, run, step);
    if (!checkpoint) {
      throw new ModelError(
        'bad-file',
        `The run "${run}" has no whole checkpoint.`,
        'Delete it, and train anew.',
      );
    }
    const state = trainedFromCheckpoint(loaded.policy.config, shapesOf(loaded.source), checkpoint);
    return this.adapters.remember(state, run);
  }

  async #resumable(run: string, loaded: TrainablePolicy, opened: OpenedDemonstrations): Promise<Checkpoint> {
    const checkpoint = await loadLatestCheckpoint(this.#store, run);
    const info = checkpoint && (await runInfo(this.#store, { run, step: checkpoint.step, byteLength: 0 }));
    if (!checkpoint || !info) {
      throw new ModelError(
        'bad-file',
        `The run "${run}" has no whole checkpoint to resume from.`,
        'Start it anew.',
      );
    }
    if (info.packageHash !== loaded.hash) {
      throw new ModelError(
        'bad-input',
        `The run "${run}" was started from another policy (${info.packageUrl}).`,
        'Load that policy first.',
      );
    }
    if (info.demonstrations.fingerprint !== opened.info.fingerprint) {
      throw new ModelError(
        'bad-input',
        `The run "${run}" was trained on "${info.demonstrations.name}"; these are other demonstrations.`,
        'Open the same demonstrations again, unchanged.',
      );
    }
    return checkpoint;
  }

  #statistics(
    opened: OpenedDemonstrations,
    options: FineTuneOptions,
  ): Readonly<Record<string, DatasetStatistics>> {
    if (options.statistics === 'demonstrations') return opened.statistics;
    const { statistics, defaultUnnormKey } = this.#loaded().policy.config;
    const before = options.startFrom === null ? null : this.adapters.statisticsOf(options.startFrom);
    return before ?? { [defaultUnnormKey]: statistics[defaultUnnormKey]! };
  }

  #sources(
    opened: OpenedDemonstrations,
    options: FineTuneOptions,
    statistics: Readonly<Record<string, DatasetStatistics>>,
  ) {
    const { policy, tokenize } = this.#loaded();
    const split = splitEpisodes(opened.dataset.episodes, options.validationFraction);
    const of = (episodes: readonly number[]) =>
      new DemonstrationSource(opened.dataset, {
        config: policy.config,
        tokenize,
        statistics: Object.values(statistics)[0]!,
        cameras: opened.info.slots.map(({ camera }) => camera),
        episodes,
        weight: (index) =>
          opened.rehearsal.size > 0 && !opened.rehearsal.has(index) ? options.demonstrationWeight : 1,
      });
    return { train: of(split.train), validation: split.validation.length > 0 ? of(split.validation) : null };
  }

  /** A forward pass timed once per policy with one and with two samples; null where there is no sample to take. */
  async #timeForward(opened: OpenedDemonstrations, options: FineTuneOptions): Promise<ForwardTime | null> {
    if (this.#forwardTime || opened.info.problems.length > 0) return this.#forwardTime;
    const { policy, turn, runtime } = this.#loaded();
    const { train } = this.#sources(opened, options, this.#statistics(opened, options));
    if (train.count === 0) return null;
    const sample = await train.sample(0, null);
    await train.close();
    const { profile, head } = policy.config;
    const draw = { noise: new Float32Array(profile.chunkSize * profile.actions.length), timestep: 0 };
    const pass = async (count: number) => {
      const samples = Array.from({ length: count }, () => sample);
      const start = performance.now();
      await runPass(policy, samples, head === 'diffusion' ? { diffusion: samples.map(() => draw) } : {});
      await runtime.device?.queue.onSubmittedWorkDone();
      return (performance.now() - start) / 1000;
    };
    // The first compiles; of the others the fastest was disturbed least.
    const fastest = async (count: number) => {
      await pass(count);
      return Math.min(await pass(count), await pass(count));
    };
    this.#forwardTime = await turn.run(async () => forwardTime(await fastest(1), await fastest(2)));
    return this.#forwardTime;
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
    statistics: _statistics,
    demonstrationWeight: _weight,
    ...training
  } = options;
  return training;
}

function misfit(opened: OpenedDemonstrations | null): FineTuneEstimate['refusal'] {
  const problem = opened?.info.problems[0];
  if (!problem) return null;
  const { found, needed, hint } = problem;
  return { message: `The demonstrations do not fit: ${found}, needed ${needed}.`, hint };
}
