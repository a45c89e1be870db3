/** Demonstrations, whatever they were read from. */

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

/** Which recorded feature is which input of a policy. */
export interface FeatureMapping {
  readonly action: string;
  /** Several are joined in this order; empty where no state is used. */
  readonly state: readonly string[];
  readonly cameras: readonly string[];
}

/** How the files were read: shown to the user, who may choose otherwise with `OpenOptions`. */
export interface DatasetReading {
  /** All that was recorded, used or not. */
  readonly features: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
  readonly mapping: FeatureMapping;
  /** What openvla-oft does with a dataset of this name before it trains on it; null where it does nothing. */
  readonly standardisation: {
    readonly name: string;
    readonly applied: boolean;
    readonly does: string;
  } | null;
  /** Degrees by which pictures are turned; 0 where they are as stored. */
  readonly turned: 0 | 180;
}

export interface OpenOptions {
  /** Default: found by name. */
  readonly mapping?: FeatureMapping;
  /** Default: where openvla-oft knows the dataset by its name. */
  readonly standardise?: boolean;
  /** Default: where upstream turns the pictures of this kind of file. */
  readonly turned?: 0 | 180;
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
