import { ModelError } from '../model/errors.ts';
import { adapterFile, readAdapterFile } from '../model/finetune/adapter-file.ts';
import {
  listCheckpoints,
  loadCheckpoint,
  loadLatestCheckpoint,
  type Checkpoint,
} from '../model/finetune/checkpoints.ts';
import { DemonstrationSource, splitEpisodes } from '../model/finetune/demonstrations.ts';
import { exportCheckpoint, exportMerged } from '../model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../model/finetune/import-checkpoint.ts';
import {
  activationBytes,
  bytesPerParameter,
  checkpointBytes,
  forwardTime,
  stepSeconds,
  type ForwardTime,
  whyNot,
} from '../model/finetune/estimate.ts';
import { LoadedAdapter } from '../model/finetune/loaded-adapter.ts';
import {
  checkpointParameters,
  countParameters,
  GROUPS,
  initialParameters,
  shapesOf,
  trainedFromCheckpoint,
  type Group,
} from '../model/finetune/parameters.ts';
import { runPass } from '../model/finetune/pass.ts';
import { runTraining } from '../model/finetune/run.ts';
import type { TrainedState } from '../model/finetune/trained.ts';
import { Trainer, type StepReport, type TrainingOptions } from '../model/finetune/trainer.ts';
import type { WeightSource } from '../model/network/loaded-weights.ts';
import type { DatasetStatistics } from '../model/policy/statistics.ts';
import type { Policy } from '../model/policy/policy.ts';
import type { Tokenize } from '../model/policy/tokenizer.ts';
import type { RunQueue } from '../model/runtime/run-queue.ts';
import type { Runtime } from '../model/runtime/runtime.ts';
import { opfsShardStore } from '../model/weights/opfs-store.ts';
import { blobAccess } from '../model/weights/random-access.ts';
import { sha256Hex } from '../model/weights/package-reader.ts';
import { openZipFolder, zipBlob, type NamedFolder } from '../model/weights/zip-folder.ts';
import type {
  AdapterInfo,
  DemonstrationsInfo,
  DemonstrationsSource,
  EpisodeEdits,
  FineTuneEstimate,
  FineTuneEvent,
  FineTuneOptions,
  FineTunePhase,
  FineTuneProgress,
  RunInfo,
} from './contract-finetune.ts';
import type { OpenedDemonstrations } from './demonstrations.ts';
import { DemonstrationsHost } from './demonstrations-host.ts';
import { runInfo, runRecord } from './run-record.ts';
import { toWorkerError } from './transfer.ts';

/** The loaded policy, as fine-tuning needs it. */
export interface TrainablePolicy {
  readonly policy: Policy;
  readonly runtime: Runtime;
  readonly source: WeightSource;
  readonly tokenize: Tokenize;
  /** tokenizer.json's content. */
  readonly tokenizer: unknown;
  /** The package's name. */
  readonly name: string;
  readonly url: string;
  readonly hash: string;
  /** Held by whoever uses the policy: a prediction, a step. */
  readonly turn: RunQueue;
}

interface Running {
  readonly trainer: Trainer;
  /** What it is trained with. */
  readonly statistics: Readonly<Record<string, DatasetStatistics>>;
  readonly stop: AbortController;
  /** Resolves when the run has ended and has let go of the policy. */
  readonly ended: Promise<void>;
  gate: { promise: Promise<void>; open: () => void } | null;
}

interface KnownAdapter {
  readonly info: AdapterInfo;
  readonly state: TrainedState;
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
  #running: Running | null = null;
  /** A run is being prepared. */
  #starting = false;
  /** It was stopped before it began. */
  #unwanted = false;
  readonly #adapters = new Map<string, KnownAdapter>();
  #active: { id: string; adapter: LoadedAdapter } | null = null;
  #forwardTime: ForwardTime | null = null;

  constructor(loaded: () => TrainablePolicy) {
    this.#loaded = loaded;
    this.demonstrations = new DemonstrationsHost(() => loaded().policy);
  }

  /** To be called when the policy is replaced: adapters and demonstrations belonged to it. */
  async reset(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#adapters.clear();
    this.#active?.adapter.dispose();
    this.#active = null;
    this.#forwardTime = null;
    await this.closeDemonstrations();
  }

  /** Statistics that replace the policy's own while an adapter is active. */
  get statistics(): Record<string, DatasetStatistics> | null {
    const state = this.#active && this.#adapters.get(this.#active.id)?.state;
    const own = this.#running ? this.#running.statistics : state?.statistics;
    return own && Object.keys(own).length > 0 ? (own as Record<string, DatasetStatistics>) : null;
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
    const count = countParameters(config, shapes, options.lora);
    const trained = count.trainable;
    const { opened } = this.demonstrations;
    const tokens = opened ? this.#sources(opened, options).train.tokens : 0;
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
    const { refusal } = await this.estimate(options);
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
    const { train, validation } = this.#sources(opened, options);
    const parameters = checkpoint
      ? checkpointParameters(policy.config, shapesOf(source), checkpoint)
      : await initialParameters(policy.config, source, {
          lora: options.lora,
          freshModules: options.freshModules,
          seed: options.seed,
        });
    const statistics = this.#statistics(opened, options);
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
        if (trained && trained.step > 0) this.#activate(this.#remember(trained, options.run));
        else if (this.#active) policy.use(this.#active.adapter);
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

  adapters(): { adapters: AdapterInfo[]; active: string | null } {
    return {
      adapters: [...this.#adapters.values()].map(({ info }) => info),
      active: this.#active?.id ?? null,
    };
  }

  async useAdapter(id: string | null): Promise<void> {
    if (this.#running) throw busy();
    await this.#loaded().turn.run(async () => this.#activate(id));
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
    return this.#adapters.get(this.#remember(state, run))!.info;
  }

  /** Upstream's checkpoint folder, or the whole merged model, as a zip. */
  async exportAdapter(
    id: string,
    kind: 'checkpoint' | 'merged',
    onProgress: (done: number, total: number) => void,
  ): Promise<Blob> {
    const { policy, source, name, tokenizer } = this.#loaded();
    const base = {
      config: policy.config,
      source,
      name,
      tokenizer: new TextEncoder().encode(JSON.stringify(tokenizer)),
    };
    const state = this.#adapterState(id);
    return zipBlob(kind === 'merged' ? exportMerged(state, base) : exportCheckpoint(state, base), onProgress);
  }

  /** @throws ModelError where the checkpoint is damaged or belongs to another policy; nothing is changed then */
  async importAdapter(
    from: { kind: 'zip'; file: File } | { kind: 'files'; files: { path: string; file: File }[] },
  ): Promise<AdapterInfo> {
    const { policy, source } = this.#loaded();
    const folder =
      from.kind === 'zip' ? await openZipFolder(from.file, from.file.name) : handedFolder(from.files);
    const state = await importCheckpoint(folder, { config: policy.config, shapes: shapesOf(source) });
    return this.#adapters.get(this.#remember(state, `${state.run} (imported)`))!.info;
  }

  /** An adapter as one safetensors file. */
  async adapterFile(id: string): Promise<{ file: Blob; sha256: string }> {
    const chunks: BlobPart[] = [];
    for await (const chunk of adapterFile(this.#adapterState(id)).chunks()) chunks.push(chunk);
    const file = new Blob(chunks, { type: 'application/octet-stream' });
    return { file, sha256: await sha256Hex(new Uint8Array(await file.arrayBuffer())) };
  }

  async openAdapterFile(file: Blob, label: string): Promise<AdapterInfo> {
    const { policy, source } = this.#loaded();
    const state = await readAdapterFile(blobAccess(file), {
      config: policy.config,
      shapes: shapesOf(source),
    });
    return this.#adapters.get(this.#remember(state, label))!.info;
  }

  /** @throws ModelError `bad-input` for an id that is not there */
  #adapterState(id: string): TrainedState {
    const known = this.#adapters.get(id);
    if (known) return known.state;
    throw new ModelError(
      'bad-input',
      `There is no adapter "${id}"; there are ${[...this.#adapters.keys()].join(', ') || 'none'}.`,
    );
  }

  #remember(state: TrainedState, label: string): string {
    const id = `${label} at step ${state.step}`;
    let trainable = 0;
    for (const { a, b } of state.adapters.values()) trainable += a.data.length + b.data.length;
    for (const { data } of state.modules.values()) trainable += data.length;
    this.#adapters.set(id, { info: { id, label, step: state.step, trainable }, state });
    return id;
  }

  #activate(id: string | null): void {
    const { policy, runtime } = this.#loaded();
    const adapter = id === null ? null : new LoadedAdapter(runtime, policy.config, this.#adapterState(id));
    policy.use(adapter);
    this.#active?.adapter.dispose();
    this.#active = adapter && { id: id!, adapter };
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
    const { statistics, defaultUnnormKey } = this.#loaded().policy.config;
    return options.statistics === 'policy'
      ? { [defaultUnnormKey]: statistics[defaultUnnormKey]! }
      : opened.statistics;
  }

  #sources(opened: OpenedDemonstrations, options: FineTuneOptions) {
    const { policy, tokenize } = this.#loaded();
    const split = splitEpisodes(opened.dataset.episodes, options.validationFraction);
    const of = (episodes: readonly number[]) =>
      new DemonstrationSource(opened.dataset, {
        config: policy.config,
        tokenize,
        statistics: Object.values(this.#statistics(opened, options))[0]!,
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
    const { train } = this.#sources(opened, options);
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

/** What the page is told of a run, as it changes. */
class ProgressReport {
  readonly #onEvent: (event: FineTuneEvent) => void;
  readonly #runtime: Runtime;
  readonly #samplesPerStep: number;
  /** Times of the newest steps: speed is a mean over them. */
  readonly #times: number[] = [];
  current: FineTuneProgress;
  /** Gradients and moments, which the runtime does not count. */
  trainerBytes = 0;

  constructor(options: FineTuneOptions, runtime: Runtime, onEvent: (event: FineTuneEvent) => void) {
    this.#onEvent = onEvent;
    this.#runtime = runtime;
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
    this.#times.push(performance.now());
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
      memoryBytes: this.#runtime.live.byteLength + this.trainerBytes,
    };
    this.#onEvent({ kind: 'progress', progress: this.current });
  }
}

/** A folder as the page hands it over. */
function handedFolder(files: readonly { path: string; file: File }[]): NamedFolder {
  const byPath = new Map(files.map(({ path, file }) => [path, file]));
  return {
    name: files[0]?.path.split('/')[0] ?? 'checkpoint',
    files: [...byPath.keys()],
    open: async (path) => {
      const file = byPath.get(path);
      if (file) return blobAccess(file);
      throw new ModelError(
        'bad-file',
        `The folder has no file ${path}.`,
        'Choose the whole checkpoint folder.',
      );
    },
  };
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
