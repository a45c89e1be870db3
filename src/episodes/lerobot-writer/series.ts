/** The numbered files of one kind that a dataset consists of: its tables, or the videos of one camera. */
import type { FrameImage } from '../dataset.ts';
import { pad, type FileLimits, type LeRobotVersion, type Piece } from './options.ts';
import { ParquetFile, type Column, type Values } from './parquet-file.ts';
import { VideoFile, type VideoFormat } from './video-file.ts';

export interface Place {
  readonly chunk: number;
  readonly file: number;
  readonly path: string;
}

const MB = 2 ** 20;

/** v2.1 has a file for each episode; v3.0 fills files up to a size, and counts them anew in each chunk. */
export function placeOf(
  version: LeRobotVersion,
  kind: 'data' | { readonly camera: string },
  number: number,
  { chunkFiles }: FileLimits,
): Place {
  const chunk = Math.floor(number / chunkFiles);
  const inChunk = `chunk-${pad(chunk, 3)}`;
  const extension = kind === 'data' ? 'parquet' : 'mp4';
  if (version === 'v2.1') {
    const folder = kind === 'data' ? `data/${inChunk}` : `videos/${inChunk}/${kind.camera}`;
    return { chunk, file: number, path: `${folder}/episode_${pad(number, 6)}.${extension}` };
  }
  const file = number % chunkFiles;
  const folder = kind === 'data' ? `data/${inChunk}` : `videos/${kind.camera}/${inChunk}`;
  return { chunk, file, path: `${folder}/file-${pad(file, 3)}.${extension}` };
}

/** What both series have in common: when a file is full, and where the next one lies. */
abstract class Series {
  readonly #version: LeRobotVersion;
  readonly #kind: 'data' | { readonly camera: string };
  readonly #limits: FileLimits;
  readonly #limit: number;
  #number = -1;
  #lastEpisode = 0;
  #before = 0;

  constructor(
    version: LeRobotVersion,
    kind: 'data' | { readonly camera: string },
    limits: FileLimits,
    limitMb: number,
  ) {
    this.#version = version;
    this.#kind = kind;
    this.#limits = limits;
    this.#limit = limitMb * MB;
  }

  protected abstract byteLength(): number | null;

  /** Whether the next episode goes into a new file: the open one would grow beyond its limit by one like the last. */
  protected full(): boolean {
    const size = this.byteLength();
    if (size === null || this.#version === 'v2.1') return true;
    this.#lastEpisode = size - this.#before;
    this.#before = size;
    return size + this.#lastEpisode > this.#limit;
  }

  protected nextPlace(): Place {
    this.#before = 0;
    return placeOf(this.#version, this.#kind, ++this.#number, this.#limits);
  }
}

export class TableSeries extends Series {
  readonly #columns: readonly Column[];
  readonly #about: Readonly<Record<string, string>>;
  #open: { file: ParquetFile; place: Place; held: Uint8Array<ArrayBuffer>[] } | null = null;

  constructor(
    version: LeRobotVersion,
    limits: FileLimits,
    columns: readonly Column[],
    about: Readonly<Record<string, string>>,
  ) {
    super(version, 'data', limits, limits.dataMb);
    this.#columns = columns;
    this.#about = about;
  }

  protected byteLength(): number | null {
    return this.#open?.file.byteLength ?? null;
  }

  /** Begins an episode, in a new file where the open one is full. @returns what is left of that one */
  async begin(): Promise<Piece[]> {
    if (!this.full()) return [];
    const rest = await this.finish();
    const place = this.nextPlace();
    this.#open = { file: await ParquetFile.open(this.#columns, this.#about), place, held: [] };
    return rest;
  }

  get place(): Place {
    return this.#open!.place;
  }

  /** @param hold keeps the bytes until the file is finished: they cannot be handed on while another file is */
  async add(values: Readonly<Record<string, Values>>, hold: boolean): Promise<Piece[]> {
    const { file, place, held } = this.#open!;
    await file.add(values);
    const bytes = file.take();
    if (!hold) return [{ path: place.path, bytes }];
    held.push(bytes);
    return [];
  }

  async finish(): Promise<Piece[]> {
    if (!this.#open) return [];
    const { file, place, held } = this.#open;
    this.#open = null;
    return [...held, await file.finish()].map((bytes) => ({ path: place.path, bytes }));
  }
}

export class VideoSeries extends Series {
  readonly #format: VideoFormat;
  #open: { file: VideoFile; place: Place } | null = null;

  constructor(version: LeRobotVersion, limits: FileLimits, camera: string, format: VideoFormat) {
    super(version, { camera }, limits, limits.videoMb);
    this.#format = format;
  }

  protected byteLength(): number | null {
    return this.#open?.file.byteLength ?? null;
  }

  async begin(): Promise<Piece[]> {
    if (!this.full()) return [];
    const rest = await this.finish();
    const place = this.nextPlace();
    this.#open = { file: await VideoFile.open(this.#format), place };
    return rest;
  }

  get place(): Place {
    return this.#open!.place;
  }

  /** Seconds that the open file has. */
  get seconds(): number {
    return this.#open!.file.frames / this.#format.fps;
  }

  async add(image: FrameImage, step: number): Promise<void> {
    await this.#open!.file.add(image, step === 0);
  }

  async finish(): Promise<Piece[]> {
    if (!this.#open) return [];
    const { file, place } = this.#open;
    this.#open = null;
    return [{ path: place.path, bytes: await file.finish() }];
  }

  /** Gives the encoder back where the file is not to be finished. */
  async cancel(): Promise<void> {
    await this.#open?.file.cancel();
    this.#open = null;
  }
}
