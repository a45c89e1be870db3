/** Demonstrations, whatever they were read from. */
import type { DatasetReading } from './reading.ts';

/** RGBA, 8 bit, opaque. */
export interface FrameImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export interface CameraInfo {
  readonly name: string;
  readonly width: number;
  readonly height: number;
}

export interface EpisodeInfo {
  readonly index: number;
  /** Steps. */
  readonly length: number;
  /** What the episode shows, or the first of its tasks where they change inside it; empty where none was recorded. */
  readonly instruction: string;
  /** Every task in it, where there are several; `Episode.instructions` says which step has which. */
  readonly tasks?: readonly string[];
}

export interface Episode extends EpisodeInfo {
  /** [length · actionDim], as recorded (not normalised). */
  readonly actions: Float32Array;
  /** [length · stateDim], or null where none was recorded. */
  readonly state: Float32Array | null;
  /** One a step where they differ inside the episode; null where `instruction` holds for all of it. */
  readonly instructions: readonly string[] | null;
  /** [length], seconds, as recorded; null where the format has none. */
  readonly timestamps: Float64Array | null;
  /** What the files contradict each other about, and how the episode was read in spite of it: one sentence each. */
  readonly notes?: readonly string[];
  /** One frame of one camera. Decodes only what is needed. @throws ModelError `bad-file`, `unsupported` or `bad-input` */
  frame(camera: string, step: number): Promise<FrameImage>;
  close(): void;
}

export interface Dataset {
  readonly name: string;
  /** Such as "LeRobot v2.1". */
  readonly format: string;
  /** Hz */
  readonly fps: number;
  readonly actionNames: readonly string[];
  readonly stateNames: readonly string[] | null;
  readonly cameras: readonly CameraInfo[];
  readonly episodes: readonly EpisodeInfo[];
  /** Null for what was recorded here. */
  readonly reading: DatasetReading | null;
  /** @throws ModelError `bad-file` where the episode's data is missing or damaged */
  open(index: number): Promise<Episode>;
  close(): Promise<void>;
}
