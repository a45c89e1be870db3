import type { Folder } from '../../io/folder.ts';
import { ModelError } from '../../base/errors.ts';
import type { Episode, FrameImage } from '../dataset.ts';
import type { FeatureMapping } from '../reading.ts';
import { decodeImage } from '../image-decode.ts';
import { VideoFrames } from '../video.ts';
import type { Info } from './info.ts';
import type { Place } from './places.ts';
import { onGrid, readRows, type Rows } from './rows.ts';
import type { Tables } from './tables.ts';
import type { Tasks } from './tasks.ts';

/** Of a frame's duration: what rounding does to time stamps, and no more. */
const ROUNDING = 0.25;
/** Each holds a decoder, and v2 has a video for each episode and camera. */
const OPEN_VIDEOS = 24;
/** A recorder's rate and its video's. */
const SAME_RATE = 0.02;

/** Opens episodes, and finds the frame of a step. */
export class LeRobotReader {
  readonly #folder: Folder;
  readonly #info: Info;
  readonly #mapping: FeatureMapping;
  readonly #tasks: Tasks;
  readonly #tables: Tables;
  readonly #places: ReadonlyMap<number, Place>;
  /** Open video files by path: several episodes may lie in one. */
  readonly #videos = new Map<string, Promise<VideoFrames>>();

  constructor(
    folder: Folder,
    {
      info,
      mapping,
      tasks,
      tables,
      places,
    }: {
      info: Info;
      mapping: FeatureMapping;
      tasks: Tasks;
      tables: Tables;
      places: readonly Place[];
    },
  ) {
    this.#folder = folder;
    this.#info = info;
    this.#mapping = mapping;
    this.#tasks = tasks;
    this.#tables = tables;
    this.#places = new Map(places.map((place) => [place.index, place]));
  }

  async open(index: number): Promise<Episode> {
    const place = this.#places.get(index);
    if (!place) {
      throw new ModelError('bad-input', `There is no episode ${index}; there are ${this.#places.size}.`);
    }
    const rows = await readRows(this.#tables, place, this.#info, this.#mapping, this.#tasks);
    const { tasks, instruction, instructions, notes } = instructionsOf(place, rows.tasks);
    return {
      index,
      length: place.length,
      instruction,
      ...(tasks.length > 1 ? { tasks } : {}),
      actions: rows.actions,
      state: rows.state,
      instructions,
      timestamps: rows.timestamps,
      notes: [...rows.notes, ...notes],
      frame: (camera, step) => this.#frame(place, rows, camera, step),
      close: () => undefined,
    };
  }

  async close(): Promise<void> {
    const videos = [...this.#videos.values()];
    this.#videos.clear();
    for (const video of videos) await (await video.catch(() => null))?.close();
  }

  async #frame(place: Place, rows: Rows, camera: string, step: number): Promise<FrameImage> {
    const known = this.#mapping.cameras.includes(camera) ? this.#info.features.get(camera) : undefined;
    if (!known || !(Number.isInteger(step) && step >= 0 && step < place.length)) {
      throw new ModelError(
        'bad-input',
        `Frame ${step} of camera "${camera}" was asked for; episode ${place.index} has ${place.length} steps of ` +
          `${this.#mapping.cameras.join(', ') || 'no camera'}.`,
      );
    }
    if (known.dtype === 'image') return this.#embedded(place, rows, camera, step);
    return this.#fromVideo(place, rows, camera, step);
  }

  /** lerobot, too, takes the frame at `from_timestamp` and the row's time stamp (lerobot_dataset.py, _query_videos). */
  async #fromVideo(place: Place, rows: Rows, camera: string, step: number): Promise<FrameImage> {
    const video = place.videos.get(camera);
    if (!video) {
      throw new ModelError(
        'bad-file',
        `The description of episode ${place.index} does not say where its video of "${camera}" is.`,
        'Copy the dataset again.',
      );
    }
    const { fps } = this.#info;
    const frames = await this.#video(video.path);
    const time = timeOf(rows, step, fps, frames.rate);
    const rounding = ROUNDING / fps;
    const at = video.from + time;
    if (time < -rounding || (video.to !== null && at > video.to - rounding)) {
      throw new ModelError(
        'bad-file',
        `Step ${step} of episode ${place.index} is at ${time.toFixed(3)} s, but its part of ${video.path} goes from 0 s to ` +
          `${video.to === null ? 'its end' : `${(video.to - video.from).toFixed(3)} s`}.`,
        'What is outside belongs to another episode. Record the episode again, or leave it out.',
      );
    }
    return frames.at(Math.max(0, at), rounding);
  }

  /** Images in the table itself: `{bytes, path}`, as the Hugging Face `datasets` library writes them. */
  async #embedded(place: Place, rows: Rows, camera: string, step: number): Promise<FrameImage> {
    const field = rows.file.fields(camera).includes('bytes') ? 'bytes' : null;
    const bytes = await rows.file.cell(camera, field, rows.at[step]!);
    if (!(bytes instanceof Uint8Array)) {
      throw new ModelError(
        'bad-file',
        `${rows.path} holds no image of camera "${camera}" at step ${step}.`,
        'Images have to be embedded in the table, or be videos.',
      );
    }
    return decodeImage(new Uint8Array(bytes), `${camera} at step ${step} of episode ${place.index}`);
  }

  #video(path: string): Promise<VideoFrames> {
    const known = this.#videos.get(path);
    const video = known ?? this.#folder.open(path).then((file) => VideoFrames.open(file, path));
    this.#videos.delete(path);
    this.#videos.set(path, video);
    if (known) return known;
    // A failure is not kept: the next frame tries again.
    video.catch(() => this.#videos.delete(path));
    for (const [oldest, opened] of this.#videos) {
      if (this.#videos.size <= OPEN_VIDEOS) break;
      this.#videos.delete(oldest);
      // After the frames that were asked of it.
      opened.then((frames) => frames.close()).catch(() => undefined);
    }
    return video;
  }
}

/**
 * Seconds from the episode's start. The row's time stamp, but where it contradicts the rate and the video does not: such a video has a
 * frame for each step, whatever the clock said.
 */
function timeOf({ timestamps, firstFrame }: Rows, step: number, fps: number, videoRate: number): number {
  const frame = firstFrame + step;
  const recorded = timestamps?.[step] ?? Number.NaN;
  if (!Number.isFinite(recorded)) return frame / fps;
  const steady = Math.abs(videoRate / fps - 1) < SAME_RATE;
  return steady && !onGrid(recorded, frame, fps) ? frame / fps : recorded;
}

/** What an episode is about: what its rows say counts, as in lerobot; the description where they do not. */
export function instructionsOf(
  { tasks: described, taskless }: Place,
  rowTasks: readonly string[] | null,
): { tasks: string[]; instruction: string; instructions: readonly string[] | null; notes: string[] } {
  const inRows = [...new Set(rowTasks ?? [])].filter((task) => task !== '');
  if (taskless) {
    const notes =
      inRows.length === 0
        ? []
        : [`Its description says that it has no task; its rows name "${inRows.join('", "')}".`];
    return { tasks: [], instruction: '', instructions: null, notes };
  }
  if (!rowTasks) {
    return { tasks: [...described], instruction: described[0] ?? '', instructions: null, notes: [] };
  }
  const other = described.length > 0 && inRows.some((task) => !described.includes(task));
  const notes = other
    ? [`Its description names the task "${described.join('", "')}", its rows "${inRows.join('", "')}".`]
    : [];
  const same = rowTasks.every((task) => task === rowTasks[0]);
  return {
    tasks: inRows,
    instruction: rowTasks[0] ?? described[0] ?? '',
    instructions: same ? null : rowTasks,
    notes,
  };
}
