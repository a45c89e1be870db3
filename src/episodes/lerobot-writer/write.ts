/**
 * Any dataset → a LeRobot dataset (huggingface/lerobot, lerobot/datasets): v3.0 as lerobot 0.4 and later read it, v2.1 as lerobot
 * 0.3.3 does. Frames are decoded and written one at a time; in memory are a row group and, with video, one file for each camera.
 */
import { ModelError } from '../../base/errors.ts';
import type { Dataset, Episode } from '../dataset.ts';
import { checkVectors, frameOf, saidOf } from './checks.ts';
import {
  ACTION,
  huggingFaceMetadata,
  STATE,
  tableColumns,
  writtenCameras,
  type WrittenCamera,
} from './features.ts';
import { metaFiles, type WrittenEpisode } from './meta.ts';
import { LIMITS, pad, type LeRobotOptions, type Piece } from './options.ts';
import type { ImageCell } from './parquet-file.ts';
import { encodePng } from './png.ts';
import { TableSeries, VideoSeries } from './series.ts';
import { ImageStatistics, sampledSteps, vectorStatistics, type FeatureStatistics } from './statistics.ts';
import { chooseCodec, CODEC_NAMES } from './video-file.ts';

/** Bytes of images in a row group: what is kept of an episode before it is handed on. */
const ROW_GROUP_BYTES = 16 * 2 ** 20;
/** What lerobot allows steps to be off the rate. */
const TOLERANCE_S = 1e-4;

/**
 * The files' bytes in order. `meta/info.json` comes last.
 * @throws ModelError `bad-input` for a dataset with nothing in it, `unsupported` where video cannot be encoded, `cancelled`, and what
 * reading the dataset throws
 */
export async function* leRobotPieces(dataset: Dataset, options: LeRobotOptions): AsyncGenerator<Piece> {
  const writer = await EpisodeWriter.open(dataset, options);
  const total = dataset.episodes.reduce((sum, { length }) => sum + length, 0);
  try {
    for (const { index, length } of dataset.episodes) {
      if (length === 0) {
        options.onNote?.(`Episode ${index} has no steps and was left out.`);
        continue;
      }
      const episode = await dataset.open(index);
      try {
        yield* writer.write(episode, (done) => options.onProgress?.(done, total));
      } finally {
        episode.close();
      }
    }
    yield* writer.finish();
  } finally {
    await writer.cancel();
  }
}

class EpisodeWriter {
  readonly #dataset: Dataset;
  readonly #options: LeRobotOptions;
  readonly #cameras: readonly WrittenCamera[];
  readonly #tables: TableSeries;
  /** By feature; empty where frames are images. */
  readonly #videos: ReadonlyMap<string, VideoSeries>;
  readonly #codec: string | null;
  readonly #tasks = new Map<string, number>();
  readonly #episodes: WrittenEpisode[] = [];
  #frames = 0;
  #unevenMs = 0;

  private constructor(
    dataset: Dataset,
    options: LeRobotOptions,
    cameras: readonly WrittenCamera[],
    videos: { readonly series: ReadonlyMap<string, VideoSeries>; readonly codec: string | null },
  ) {
    this.#dataset = dataset;
    this.#options = options;
    this.#cameras = cameras;
    this.#videos = videos.series;
    this.#codec = videos.codec;
    const columns = tableColumns(dataset, videos.codec ? [] : cameras);
    const huggingface = huggingFaceMetadata(columns, options.version);
    this.#tables = new TableSeries(options.version, options.limits ?? LIMITS, columns, { huggingface });
  }

  static async open(dataset: Dataset, options: LeRobotOptions): Promise<EpisodeWriter> {
    if (!dataset.episodes.some(({ length }) => length > 0)) {
      throw new ModelError(
        'bad-input',
        `${dataset.name} has no episode with steps, so that there is nothing to write.`,
        'Record one, or take a deletion back.',
      );
    }
    for (const note of saidOf(dataset)) options.onNote?.(note);
    const cameras = writtenCameras(dataset);
    if (options.frames === 'images' || cameras.length === 0) {
      return new EpisodeWriter(dataset, options, cameras, { series: new Map(), codec: null });
    }
    const codec = await chooseCodec(cameras, options.codec);
    const series = cameras.map(({ feature, width, height }) => {
      const format = { width, height, fps: dataset.fps, codec };
      return [feature, new VideoSeries(options.version, options.limits ?? LIMITS, feature, format)] as const;
    });
    return new EpisodeWriter(dataset, options, cameras, {
      series: new Map(series),
      codec: CODEC_NAMES[codec].inInfo,
    });
  }

  async *write(episode: Episode, onStep: (done: number) => void): AsyncGenerator<Piece> {
    checkVectors(this.#dataset, episode);
    yield* await this.#tables.begin();
    for (const video of this.#videos.values()) yield* await video.begin();
    const number = this.#episodes.length;
    const from = new Map([...this.#videos].map(([feature, video]) => [feature, video.seconds]));
    const seen = new Map(this.#cameras.map(({ feature }) => [feature, new ImageStatistics()]));
    const sampled = sampledSteps(episode.length);
    let cells = new Map<string, ImageCell[]>(this.#cameras.map(({ feature }) => [feature, []]));
    let [first, bytes] = [0, 0];
    for (let step = 0; step < episode.length; step++) {
      this.#checkCancelled();
      for (const camera of this.#cameras) {
        const image = await frameOf(episode, camera, step);
        if (sampled.has(step)) seen.get(camera.feature)!.add(image);
        const video = this.#videos.get(camera.feature);
        if (video) await video.add(image, step);
        else {
          const cell = { bytes: await encodePng(image), path: `frame-${pad(step, 6)}.png` };
          cells.get(camera.feature)!.push(cell);
          bytes += cell.bytes.byteLength;
        }
      }
      onStep(this.#frames + step + 1);
      if (bytes >= ROW_GROUP_BYTES || step === episode.length - 1) {
        const rows = this.#rows(episode, number, first, step + 1);
        yield* await this.#tables.add({ ...rows, ...Object.fromEntries(cells) }, this.#videos.size > 0);
        cells = new Map(this.#cameras.map(({ feature }) => [feature, []]));
        [first, bytes] = [step + 1, 0];
      }
    }
    this.#noteTimes(episode);
    this.#episodes.push({
      length: episode.length,
      tasks: [...new Set(episode.instructions ?? [episode.instruction])],
      firstFrame: this.#frames,
      data: this.#tables.place,
      videos: new Map(
        [...this.#videos].map(([feature, { place, seconds }]) => [
          feature,
          { place, from: from.get(feature)!, to: seconds },
        ]),
      ),
      statistics: this.#statistics(episode, number, seen),
    });
    this.#frames += episode.length;
  }

  async *finish(): AsyncGenerator<Piece> {
    yield* await this.#tables.finish();
    for (const video of this.#videos.values()) yield* await video.finish();
    if (this.#unevenMs > 0) {
      this.#options.onNote?.(
        `Recorded times are up to ${this.#unevenMs.toFixed(1)} ms off the rate of ${this.#dataset.fps} Hz; LeRobot wants even steps, ` +
          'and they were written as such.',
      );
    }
    yield* await metaFiles(this.#options.version, {
      dataset: this.#dataset,
      cameras: this.#cameras,
      episodes: this.#episodes,
      tasks: [...this.#tasks.keys()],
      video: this.#codec === null ? null : { fps: this.#dataset.fps, codec: this.#codec },
      limits: this.#options.limits ?? LIMITS,
      robotType: this.#options.robotType ?? null,
    });
  }

  async cancel(): Promise<void> {
    for (const video of this.#videos.values()) await video.cancel();
  }

  #checkCancelled(): void {
    if (this.#options.signal?.aborted) {
      throw new ModelError('cancelled', 'Writing the dataset was cancelled.');
    }
  }

  /** Columns of steps [from, to), but for the images. */
  #rows(episode: Episode, number: number, from: number, to: number): Record<string, unknown[]> {
    const { actionNames, stateNames, fps } = this.#dataset;
    const steps = Array.from({ length: to - from }, (_, i) => from + i);
    const vector = (values: Float32Array, size: number) =>
      steps.map((step) =>
        size === 1 ? values[step]! : [...values.subarray(step * size, (step + 1) * size)],
      );
    return {
      [ACTION]: vector(episode.actions, actionNames.length),
      ...(stateNames ? { [STATE]: vector(episode.state!, stateNames.length) } : {}),
      timestamp: steps.map((step) => Math.fround(step / fps)),
      frame_index: steps.map(BigInt),
      episode_index: steps.map(() => BigInt(number)),
      index: steps.map((step) => BigInt(this.#frames + step)),
      task_index: this.#taskIndices(episode).slice(from, to).map(BigInt),
    };
  }

  #taskIndices({ instructions, instruction, length }: Episode): number[] {
    return Array.from({ length }, (_, step) => {
      const task = instructions?.[step] ?? instruction;
      const known = this.#tasks.get(task) ?? this.#tasks.size;
      this.#tasks.set(task, known);
      return known;
    });
  }

  #statistics(
    episode: Episode,
    number: number,
    seen: ReadonlyMap<string, ImageStatistics>,
  ): Map<string, FeatureStatistics> {
    const { actionNames, stateNames, fps } = this.#dataset;
    const steps = Array.from({ length: episode.length }, (_, step) => step);
    const scalars = {
      timestamp: steps.map((step) => step / fps),
      frame_index: steps,
      episode_index: steps.map(() => number),
      index: steps.map((step) => this.#frames + step),
      task_index: this.#taskIndices(episode),
    };
    return new Map<string, FeatureStatistics>([
      [ACTION, vectorStatistics(episode.actions, actionNames.length)],
      ...(stateNames
        ? ([[STATE, vectorStatistics(episode.state!, stateNames.length)]] as [string, FeatureStatistics][])
        : []),
      ...[...seen].map(([feature, images]): [string, FeatureStatistics] => [feature, images.finish()]),
      ...Object.entries(scalars).map(([name, values]): [string, FeatureStatistics] => [
        name,
        vectorStatistics(values, 1),
      ]),
    ]);
  }

  #noteTimes({ timestamps }: Episode): void {
    const first = timestamps?.[0] ?? 0;
    timestamps?.forEach((time, step) => {
      const off = Math.abs(time - first - step / this.#dataset.fps);
      if (off > TOLERANCE_S) this.#unevenMs = Math.max(this.#unevenMs, off * 1000);
    });
  }
}
