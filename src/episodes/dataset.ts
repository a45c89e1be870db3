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
  readonly instruction: string;
}

export interface Episode extends EpisodeInfo {
  /** [length · actionDim], as recorded (not normalised). */
  readonly actions: Float32Array;
  /** [length · stateDim], or null where none was recorded. */
  readonly state: Float32Array | null;
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
  /** @throws ModelError `bad-file` where the episode's data is missing or damaged */
  open(index: number): Promise<Episode>;
  close(): Promise<void>;
}
