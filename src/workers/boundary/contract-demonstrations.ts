/** What crosses the boundary for demonstrations: plain data, and the files that the user hands over. */
import type { DatasetReading, OpenOptions } from '../../episodes/reading.ts';
import type { RecordedDemonstrations } from './contract-practice.ts';
import type { RawImage } from './contract.ts';

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
