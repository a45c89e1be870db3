/** What crosses the boundary for fine-tuning: plain data, and the files the user hands over. */
import type { DatasetReading, OpenOptions } from '../../episodes/reading.ts';
import type { RawImage, WorkerError } from './contract.ts';
import type { RecordedDemonstrations } from './contract-practice.ts';

/** Where demonstrations come from. Nothing is copied; files are read by slices. */
export type DemonstrationsSource =
  | { kind: 'files'; files: { path: string; file: File }[]; options?: OpenOptions }
  | { kind: 'zip'; file: File; options?: OpenOptions }
  /** Base URL of a dataset, URL of a zip or an HDF5 file, or a Hub repository such as `lerobot/svla_so101_pickplace`. */
  | {
      kind: 'url';
      url: string;
      /** Of a private or gated Hub repository: used for reading it, and never stored. */
      token?: string;
      options?: OpenOptions;
    }
  /** Recorded in this page. */
  | { kind: 'recorded'; recorded: RecordedDemonstrations };

/** What is changed of one episode; nothing of the recording itself is lost. */
export interface EpisodeEdit {
  readonly deleted?: boolean;
  /** Steps kept, [from, to). */
  readonly keep?: readonly [number, number];
  readonly instruction?: string;
  /** Whether it shows success; failures are kept but not trained on. */
  readonly success?: boolean;
}

/** By index of the episode as recorded. */
export type EpisodeEdits = Readonly<Record<number, EpisodeEdit>>;

/** One episode's numbers, as recorded. */
export interface EpisodeTrack {
  index: number;
  length: number;
  /** Names and [length · names]. */
  actionNames: readonly string[];
  actions: Float32Array<ArrayBuffer>;
  stateNames: readonly string[] | null;
  state: Float32Array<ArrayBuffer> | null;
  /** One a step where they differ inside the episode. */
  instructions: readonly string[] | null;
  /** What the files contradict each other about, and how the episode was read in spite of it. */
  notes: readonly string[];
}

/** Something to know about the demonstrations before training on them. */
export interface Finding {
  id: string;
  severity: 'warning' | 'note';
  /** Its index as recorded; null where it is about all. */
  episode: number | null;
  /** Steps, [from, to). */
  from?: number;
  to?: number;
  message: string;
  hint: string;
}

/** What a policy predicts for a recorded step, beside what was done: [chunk][actions]. */
export interface ChunkCheck {
  predicted: number[][];
  recorded: number[][];
  /** The recorded step that each of them belongs to: not every one where the demonstrations are thinned. */
  steps: number[];
  /** Mean absolute difference of the normalised actions: the training loss of this sample. */
  l1: number;
  /** The statistics in force. */
  unnormKey: string;
  /** What it predicts with each of the statistics that fit its actions, where that was asked for: those in force first. */
  byKey: { key: string; predicted: number[][] }[];
}

export interface FitNote {
  id: string;
  found: string;
  needed: string;
  hint: string;
}

/** One dimension's statistics, as dataset_statistics.json holds them. */
export interface DimensionStatistics {
  name: string;
  mean: number;
  std: number;
  min: number;
  max: number;
  q01: number;
  q99: number;
  /** False where the dimension is passed through unchanged. */
  normalised: boolean;
}

export interface NamedDimension {
  name: string;
  unit: string;
}

/** A robot to be taught, as data: what is trained, and how the demonstrations are read for it. */
export interface RobotChoice {
  profile: {
    name: string;
    /** Actions of one prediction. */
    chunkSize: number;
    actions: NamedDimension[];
    /** Null for a policy without proprio. */
    state: NamedDimension[] | null;
    normalization: 'bounds' | 'bounds_q99';
    /** Image slots, in the order upstream stacks them. */
    images: { name: string; label: string }[];
    /** Hz; demonstrations of a higher rate are thinned to it. */
    controlHz: number;
  };
  /** The dataset's camera of each slot. */
  cameras: string[];
  /** What each dimension of the action becomes when several steps are one: the last one's, or their sum. */
  thinnedAs: ('last' | 'sum')[];
  head: 'l1' | 'diffusion' | 'discrete';
  /** Of a diffusion head, in training and at inference. */
  diffusionSteps: number;
  film: boolean;
}

/** What names and numbers tell of a dimension. */
export interface GuessedDimension extends NamedDimension {
  /** False where the numbers fit more than one of `choices`. */
  certain: boolean;
  choices: string[];
  /** Of an action: a target, a difference, or not to be told. */
  kind: 'absolute' | 'delta' | 'unclear';
}

/** Whose demonstrations they are. */
export interface RobotInfo {
  /** What is trained; null to teach the policy, or the adapter `startFrom`, more of its own robot. */
  choice: RobotChoice | null;
  startFrom: string | null;
  /** Null where no policy can be taught; the problems say why. */
  guess: RobotChoice | null;
  actions: GuessedDimension[];
  state: GuessedDimension[] | null;
  /** The robot in use when they were measured, and how they differ from what it records; empty where they do not. */
  inUse: string;
  differs: FitNote[];
  /** What becomes of the steps; null where all are kept. */
  thinning: { from: number; to: number; before: number; after: number; dropped: number } | null;
  /** Actions of the longest episode, at the chosen rate. */
  longest: number;
}

export interface DemonstrationsInfo {
  name: string;
  /** Such as "LeRobot v2.1". */
  format: string;
  /** Hz */
  fps: number;
  cameras: { name: string; width: number; height: number }[];
  /** How the files were read; null for what was recorded here. */
  reading: DatasetReading | null;
  /** Camera guessed for each image slot of the policy. */
  slots: { label: string; camera: string }[];
  /** What is trained on: as edited. */
  episodes: { index: number; length: number; instruction: string }[];
  /** All of them, as recorded; rehearsal is there so that nothing is forgotten. */
  recorded: { index: number; length: number; instruction: string; rehearsal: boolean }[];
  /** Steps with a whole chunk of actions ahead: what there is to train on. */
  samples: number;
  action: DimensionStatistics[];
  state: DimensionStatistics[] | null;
  robot: RobotInfo;
  /** Why the policy cannot be trained on them; empty when it can. */
  problems: FitNote[];
  warnings: FitNote[];
  /** SHA-256 over episodes and statistics: a run resumes on the same demonstrations only. */
  fingerprint: string;
  /** Everything that is changed of the recording. */
  edits: EpisodeEdits;
}

export type LoraTargets = 'all-linear' | 'language-model' | { pattern: string };

/** finetune.py's options, under its names where it has one. */
export interface FineTuneOptions {
  run: string;
  seed: number;
  maxSteps: number;
  /** Samples per pass, and passes per optimiser step. */
  batchSize: number;
  gradAccumulationSteps: number;
  learningRate: number;
  lrWarmupSteps: number;
  numStepsBeforeDecay: number;
  maxGradNorm: number | null;
  imageAug: boolean;
  /** Share of the episodes held out, 0…0.5. */
  validationFraction: number;
  valFreq: number;
  valSamples: number;
  saveFreq: number;
  /**
   * Id of the adapter to go on from, with its LoRA and modules; null for the policy as it was loaded. Of a stored run: the adapter's label and step,
   * for people; its checkpoints hold the rest.
   */
  startFrom: string | null;
  lora: { r: number; alpha: number; dropout: number; targets: LoraTargets } | null;
  /** Start head and projectors anew although the policy has them. */
  freshModules: boolean;
  /**
   * What normalises actions and state: the demonstrations' own statistics, as finetune.py does it, or the policy's, where it is taught more of what it
   * does already and few demonstrations would say little about the range.
   */
  statistics: 'demonstrations' | 'policy';
  /** How often a demonstration comes up for each time a rehearsal episode does; only where there are any. */
  demonstrationWeight: number;
  /** Another robot than that of the policy or of `startFrom`: with a head, proprio projector and statistics of its own. Null for theirs. */
  robot: RobotChoice | null;
}

/** Answer to "what would this train, and will it fit?", known before anything is allocated. */
export interface FineTuneEstimate {
  /** Trainable parameters by module, in the order they are shown. */
  groups: { name: string; label: string; count: number }[];
  trainable: number;
  /** Parameters of the frozen base. */
  base: number;
  /** Bytes: trained parameters with gradients and optimiser, activations of a pass, the base itself. */
  memory: { parameters: number; activations: number; base: number };
  /** Bytes this machine offers, where it tells. */
  available: number | null;
  /** Bytes of one checkpoint on disk. */
  checkpointBytes: number;
  /** Seconds per optimiser step, from a prediction timed on this machine; null before the first. */
  secondsPerStep: number | null;
  /** Why it will not fit or cannot be done; null when it can. */
  refusal: { message: string; hint: string } | null;
}

export interface StepPoint {
  step: number;
  loss: number;
  currentL1: number | null;
  nextL1: number | null;
  learningRate: number;
  gradNorm: number;
}

export interface ValidationPoint {
  step: number;
  loss: number;
  currentL1: number | null;
  nextL1: number | null;
  samples: number;
}

export type FineTunePhase =
  | 'preparing'
  | 'training'
  | 'validating'
  | 'saving'
  | 'paused'
  | 'done'
  | 'cancelled'
  | 'failed';

/** Everything the page shows of a run; sent as changes happen, whole each time but for the curves. */
export interface FineTuneProgress {
  run: string;
  phase: FineTunePhase;
  step: number;
  maxSteps: number;
  samplesPerSecond: number | null;
  secondsLeft: number | null;
  /** Bytes held on the runtime. */
  memoryBytes: number;
  /** Newest checkpoint that is safe on this device. */
  savedStep: number | null;
  /** Set in phase `failed`, and when saving failed while training goes on. */
  error: WorkerError | null;
}

export type FineTuneEvent =
  | { kind: 'progress'; progress: FineTuneProgress }
  | { kind: 'step'; point: StepPoint }
  | { kind: 'validation'; point: ValidationPoint }
  /** After a resume: the curves so far, which replace what is shown. */
  | { kind: 'history'; steps: StepPoint[]; validations: ValidationPoint[] };

/** A run stored on this device. */
export interface RunInfo {
  run: string;
  /** Of the newest checkpoint. */
  step: number;
  /** Steps of all checkpoints that are kept, oldest first. */
  checkpoints: number[];
  maxSteps: number;
  /** Of all its checkpoints. */
  byteLength: number;
  /** URL and hash of the policy package it was started from. */
  packageUrl: string;
  packageHash: string;
  demonstrations: {
    name: string;
    url: string | null;
    fingerprint: string;
    /** How the files were read; null for what was recorded here, and for runs from before this was written down. */
    reading: OpenOptions | null;
    /** Zero for runs from before this was written down. */
    episodes: number;
    steps: number;
    /** What was taught, the most frequent first; not all of many. */
    instructions: string[];
  };
  options: FineTuneOptions;
}

/** Where an adapter came from. */
export type AdapterOrigin =
  | { kind: 'run'; run: string }
  /** A checkpoint folder or zip that was handed over. */
  | { kind: 'imported' }
  /** A safetensors file. */
  | { kind: 'shared' };

/** Something trained that can be laid over the loaded policy. */
export interface AdapterInfo {
  /** Follows from all of what it holds and its label: equal ids mean equal adapters, in every tab and at any time. */
  id: string;
  /** The run's name, the imported folder's, or the share's title; for people, not unique. */
  label: string;
  step: number;
  trainable: number;
  origin: AdapterOrigin;
  /** The robot it is for, where that is not the policy's own. */
  robot: { name: string; actions: number; images: number; head: RobotChoice['head'] } | null;
}

/** Demonstrations of the loaded policy. While a run reads them, opening, closing and editing reject with `busy`. */
/** How demonstrations are written as a LeRobot dataset. */
export interface LeRobotForm {
  /** `v3.0`: lerobot 0.4 and later; `v2.1`: up to lerobot 0.3.3. */
  version: 'v3.0' | 'v2.1';
  /** PNGs in the table, exact; or video, far smaller and lossy. */
  frames: 'images' | 'video';
}

/** Where a written dataset goes. */
export type WriteTarget =
  | { kind: 'zip' }
  /** An empty folder that the user chose. */
  | { kind: 'folder'; folder: FileSystemDirectoryHandle }
  /** A new repository on the Hub. The token is not kept. */
  | { kind: 'hub'; repo: string; visibility: 'public' | 'private'; token: string };

export interface WrittenDataset {
  /** For `zip`. */
  zip: Blob | null;
  /** For `hub`: the repository's page. */
  url: string | null;
  /** What LeRobot's form cannot say or was left out, one sentence each. */
  notes: string[];
}

export interface DemonstrationsApi {
  /** Reads what they are, checks that they fit and computes their statistics; replaces those opened before. Of two calls the later one counts. */
  open(
    source: DemonstrationsSource,
    onProgress: (done: number, total: number) => void,
  ): Promise<DemonstrationsInfo>;
  close(): Promise<void>;
  /**
   * Lays changes over the edits there are, in the order of the calls; statistics and fit are computed anew. Rejects with `bad-input` for edits that do
   * not fit; nothing is changed then.
   */
  edit(changes: EpisodeEdits): Promise<DemonstrationsInfo>;
  /**
   * Trains on them as another robot, or with null as the policy's own, or that of the adapter `startFrom`. Statistics and fit are computed anew. Rejects with
   * `bad-input` for a robot that cannot be; nothing is changed then.
   */
  as(robot: RobotChoice | null, startFrom: string | null): Promise<DemonstrationsInfo>;
  /** Looks for idle stretches, frozen cameras and other things that make bad training data. */
  review(onProgress: (done: number, total: number) => void): Promise<Finding[]>;
  episode(index: number): Promise<EpisodeTrack>;
  /** Frames of one camera at some steps, as recorded. */
  frames(index: number, camera: string, steps: number[]): Promise<RawImage[]>;
  /** The policy on a recorded step, with the adapter in use or what a run has learned so far. The step has a whole chunk ahead. */
  check(index: number, step: number, everyKey?: boolean): Promise<ChunkCheck>;
  /**
   * Writes them as edited. One at a time; rejects with `busy` meanwhile, and with `cancelled` after `stopWriting` or when others are opened.
   * @param onProgress in steps
   */
  write(
    to: WriteTarget,
    form: LeRobotForm,
    onProgress: (done: number, total: number) => void,
  ): Promise<WrittenDataset>;
  stopWriting(): Promise<void>;
}

export interface TrainingApi {
  estimate(options: FineTuneOptions): Promise<FineTuneEstimate>;
  /**
   * Seconds that a step of such a run takes on this machine: a few steps are done, on these episodes, and thrown away. Nothing that is open or in use
   * changes. Rejects with `busy` while a run goes on.
   */
  stepTime(options: FineTuneOptions, recorded: RecordedDemonstrations): Promise<number>;
  /**
   * Starts a run, or goes on with a stored one of that name (same policy and demonstrations). Resolves when it is done, or was stopped by
   * `cancel('training')` or by loading another policy, with a checkpoint; rejects when it failed, and with `busy` when another run has the policy or
   * another tab trains a run of that name. Predictions are answered between steps, with the parameters as they are then.
   */
  start(
    options: FineTuneOptions,
    resume: boolean,
    onEvent: (event: FineTuneEvent) => void,
  ): Promise<FineTuneProgress>;
  pause(): Promise<void>;
  continue(): Promise<void>;
  /** Has the run that goes on, if any, save a checkpoint as soon as the step it is at is done: the page may be about to close. */
  save(): Promise<void>;
  /** Those on this device, of this tab and of others. */
  runs(): Promise<RunInfo[]>;
  /** Rejects with `busy` for one that is being trained, here or in another tab. */
  removeRun(run: string): Promise<void>;
}

/** What can be laid over the loaded policy: trained, opened or imported since it was loaded. */
export interface AdaptersApi {
  list(): Promise<{ adapters: AdapterInfo[]; active: string | null }>;
  /** Lays an adapter over the policy, or none; the base is not reloaded. Rejects with `busy` while a run goes on. */
  use(id: string | null): Promise<void>;
  /** One of a stored run's checkpoints as an adapter, without training; null for the newest. */
  openRun(run: string, step: number | null): Promise<AdapterInfo>;
  /** Upstream's checkpoint folder, or the merged model, as a zip. */
  exportZip(
    id: string,
    kind: 'checkpoint' | 'merged',
    onProgress: (done: number, total: number) => void,
  ): Promise<Blob>;
  /** A checkpoint folder or zip of ours or of upstream's finetune.py. Rejects for one that is damaged or belongs to another policy. */
  importFolder(
    source: { kind: 'zip'; file: File } | { kind: 'files'; files: { path: string; file: File }[] },
  ): Promise<AdapterInfo>;
  /** An adapter as one safetensors file, for sharing: numbers and text only. */
  file(id: string): Promise<{ file: Blob; sha256: string }>;
  /** The inverse. Rejects with `bad-file` or `bad-shape` for what is damaged or belongs to another policy; nothing is changed then. */
  openFile(file: Blob, label: string): Promise<AdapterInfo>;
}
