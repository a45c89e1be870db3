export type LeRobotVersion = 'v2.1' | 'v3.0';

export interface LeRobotOptions {
  /** What lerobot 0.4 and later read (`v3.0`), or up to 0.3.3 (`v2.1`). */
  readonly version: LeRobotVersion;
  /** PNGs in the table, exact and large; or video, far smaller and lossy. */
  readonly frames: 'images' | 'video';
  /** Default: H.264 where it can be encoded, else AV1. */
  readonly codec?: VideoCodecName;
  /** info.json's `robot_type`; default null, for not known. */
  readonly robotType?: string | null;
  /** In steps. */
  readonly onProgress?: (done: number, total: number) => void;
  /** What LeRobot's form cannot say or was left out, in a sentence. */
  readonly onNote?: (note: string) => void;
  readonly signal?: AbortSignal;
  /** Where files are cut (v3.0); smaller ones for tests. */
  readonly limits?: FileLimits;
}

/** WebCodecs' families: `avc` is H.264. */
export type VideoCodecName = 'avc' | 'av1';

export interface FileLimits {
  readonly dataMb: number;
  readonly videoMb: number;
  /** Files in a chunk's folder. */
  readonly chunkFiles: number;
}

/** lerobot's own limits are 100 and 200 MB; a video is in memory until it is cut, one for each camera. */
export const LIMITS: FileLimits = { dataMb: 100, videoMb: 64, chunkFiles: 1000 };

/** Bytes of a file, in order; a file's pieces follow one another. */
export interface Piece {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
