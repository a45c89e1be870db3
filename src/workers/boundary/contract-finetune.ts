/** What crosses the boundary for runs: plain data. */
import type { OpenOptions } from '../../episodes/reading.ts';
import type { RobotChoice } from './contract-demonstrations.ts';
import type { RecordedDemonstrations } from './contract-practice.ts';
import type { WorkerError } from './contract.ts';

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
