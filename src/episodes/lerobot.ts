/** LeRobot datasets, v2.1 and v3.0 (huggingface/lerobot, lerobot/datasets/utils.py and lerobot_dataset.py). */
import * as v from 'valibot';
import { ModelError } from '../model/errors.ts';
import type { CameraInfo, Dataset, Episode, EpisodeInfo, FrameImage } from './dataset.ts';
import { readJson, readText, type Folder } from '../io/folder.ts';
import { decodeImage } from './image-decode.ts';
import { readParquet, toNumber, toText, type Row } from './parquet.ts';
import { VideoFrames } from './video.ts';

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const featureSchema = v.looseObject({
  dtype: v.string(),
  shape: v.array(v.number()),
  names: v.optional(v.unknown()),
});
const infoSchema = v.looseObject({
  codebase_version: v.string(),
  fps: v.pipe(v.number(), v.minValue(0.01), v.maxValue(10_000)),
  total_episodes: whole,
  chunks_size: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  data_path: v.string(),
  video_path: v.optional(v.nullable(v.string())),
  features: v.record(v.string(), featureSchema),
});
type Info = v.InferOutput<typeof infoSchema>;
type Feature = v.InferOutput<typeof featureSchema>;

const ACTION = 'action';
const STATE = 'observation.state';

/** Where an episode's rows and frames are. */
interface Place extends EpisodeInfo {
  readonly data: { readonly path: string; readonly rows: { start: number; end: number } | null };
  readonly videos: ReadonlyMap<string, { readonly path: string; readonly from: number }>;
}

/** True where the files look like a LeRobot dataset of any version. */
export async function isLeRobot(folder: Folder): Promise<boolean> {
  return folder.has('meta/info.json');
}

/** @throws ModelError `bad-file` for a damaged dataset, `unsupported` for another version, `download-failed` */
export async function openLeRobot(folder: Folder): Promise<Dataset> {
  const parsed = v.safeParse(infoSchema, await readJson(folder, 'meta/info.json'));
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new ModelError(
      'bad-file',
      `meta/info.json: ${v.getDotPath(issue) ?? 'its content'} is wrong: ${issue.message}`,
      'Is it a LeRobot dataset?',
    );
  }
  const info = parsed.output;
  const version = info.codebase_version;
  if (version !== 'v2.1' && version !== 'v3.0') {
    throw new ModelError(
      'unsupported',
      `This is a LeRobot dataset of version ${version}; v2.1 and v3.0 are read.`,
      'Convert it with LeRobot’s own scripts (lerobot/datasets/v21, lerobot/datasets/v30).',
    );
  }
  const action = feature(info, ACTION);
  const state = info.features[STATE] ?? null;
  const cameras = Object.entries(info.features).filter(
    ([, { dtype }]) => dtype === 'video' || dtype === 'image',
  );
  const places = version === 'v2.1' ? await placesV21(folder, info) : await placesV30(folder, info);
  const reader = new LeRobotReader(folder, info, places, new Map(cameras));
  return {
    name: folder.name,
    format: `LeRobot ${version}`,
    fps: info.fps,
    actionNames: namesOf(action, 'action'),
    stateNames: state && namesOf(state, 'state'),
    cameras: cameras.map(([name, camera]) => cameraInfo(name, camera)),
    reading: null,
    episodes: places.map(({ index, length, instruction }) => ({ index, length, instruction })),
    open: (index) => reader.open(index),
    close: () => reader.close(),
  };
}

function feature(info: Info, name: string): Feature {
  const found = info.features[name];
  if (found && found.shape.length === 1) return found;
  throw new ModelError(
    'bad-file',
    `meta/info.json has no feature "${name}" that is a vector; it has ${Object.keys(info.features).join(', ')}.`,
    'A policy is trained on recorded actions: record them under this name.',
  );
}

/** Names come as a list, or as lists under some heading such as "motors". */
function namesOf({ shape, names }: Feature, fallback: string): string[] {
  const size = shape[0] ?? 0;
  const flat = Array.isArray(names)
    ? names.flat()
    : names && typeof names === 'object'
      ? Object.values(names as Record<string, unknown>).flat()
      : [];
  const texts = flat.filter((name): name is string => typeof name === 'string');
  return texts.length === size ? texts : Array.from({ length: size }, (_, i) => `${fallback} ${i}`);
}

/** Height, width, channels; older recorders wrote channels first and said so in `names`. */
function cameraInfo(name: string, { shape, names }: Feature): CameraInfo {
  const order = Array.isArray(names) ? names.map(String) : [];
  const at = (label: string, otherwise: number) => shape[order.indexOf(label)] ?? shape[otherwise] ?? 0;
  return { name, height: at('height', 0), width: at('width', 1) };
}

const pad = (value: number, digits: number) => String(value).padStart(digits, '0');

/** Fills a path template of info.json: `{episode_chunk:03d}` and the like. */
function fill(template: string, values: Readonly<Record<string, string | number>>): string {
  const path = template.replace(/\{(\w+)(?::0(\d+)d)?\}/g, (field, key: string, digits?: string) => {
    const value = values[key];
    if (value === undefined) {
      throw new ModelError(
        'bad-file',
        `meta/info.json: the path "${template}" has the unknown field ${field}.`,
      );
    }
    return digits ? pad(Number(value), Number(digits)) : String(value);
  });
  if (path.split('/').includes('..') || path.startsWith('/')) {
    throw new ModelError('bad-file', `meta/info.json: the path "${template}" leaves the dataset.`);
  }
  return path;
}

function videoKeys(info: Info): string[] {
  return Object.entries(info.features).flatMap(([key, { dtype }]) => (dtype === 'video' ? [key] : []));
}

async function jsonLines(folder: Folder, path: string): Promise<Row[]> {
  const lines = (await readText(folder, path)).split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as Row;
    } catch (error) {
      throw new ModelError('bad-file', `${path}: line ${i + 1} is no JSON.`, 'Copy the dataset again.', {
        cause: error,
      });
    }
  });
}

async function placesV21(folder: Folder, info: Info): Promise<Place[]> {
  const episodes = await jsonLines(folder, 'meta/episodes.jsonl');
  const chunk = info.chunks_size ?? 1000;
  return episodes.map((row) => {
    const index = requireWhole(row['episode_index'], 'meta/episodes.jsonl', 'episode_index');
    const values = { episode_chunk: Math.floor(index / chunk), episode_index: index };
    const videos = videoKeys(info).map(
      (key) => [key, { path: fill(info.video_path ?? '', { ...values, video_key: key }), from: 0 }] as const,
    );
    return {
      index,
      length: requireWhole(row['length'], 'meta/episodes.jsonl', 'length'),
      instruction: instructionOf(row['tasks']),
      data: { path: fill(info.data_path, values), rows: null },
      videos: new Map(videos),
    };
  });
}

async function placesV30(folder: Folder, info: Info): Promise<Place[]> {
  const rows: Row[] = [];
  const keys = videoKeys(info);
  const columns = [
    'episode_index',
    'tasks',
    'length',
    'data/chunk_index',
    'data/file_index',
    'dataset_from_index',
    'dataset_to_index',
    ...keys.flatMap((key) => [
      `videos/${key}/chunk_index`,
      `videos/${key}/file_index`,
      `videos/${key}/from_timestamp`,
    ]),
  ];
  // Files of a chunk follow each other, chunks too; how many there are is written nowhere.
  for (let chunk = 0; rows.length < info.total_episodes; chunk++) {
    const before = rows.length;
    for (let file = 0; rows.length < info.total_episodes; file++) {
      const path = `meta/episodes/chunk-${pad(chunk, 3)}/file-${pad(file, 3)}.parquet`;
      if (!(await folder.has(path))) break;
      rows.push(...(await readParquet(folder, path, columns)));
    }
    if (rows.length === before) {
      throw new ModelError(
        'bad-file',
        `meta/episodes describes ${rows.length} episodes, meta/info.json tells of ${info.total_episodes}.`,
        'Copy the dataset again.',
      );
    }
  }
  /** The first row of each data file, counted over the whole dataset. */
  const firstRows = new Map<string, number>();
  const where = rows.map((row) => {
    const numberAt = (column: string) => requireWhole(toNumber(row[column]), 'meta/episodes', column);
    const path = fill(info.data_path, {
      chunk_index: numberAt('data/chunk_index'),
      file_index: numberAt('data/file_index'),
    });
    const from = numberAt('dataset_from_index');
    firstRows.set(path, Math.min(firstRows.get(path) ?? Infinity, from));
    return { row, path, from, to: numberAt('dataset_to_index'), numberAt };
  });
  return where.map(({ row, path, from, to, numberAt }) => {
    const first = firstRows.get(path)!;
    const videos = keys.map((key) => {
      const values = {
        video_key: key,
        chunk_index: numberAt(`videos/${key}/chunk_index`),
        file_index: numberAt(`videos/${key}/file_index`),
      };
      const video = {
        path: fill(info.video_path ?? '', values),
        from: Number(row[`videos/${key}/from_timestamp`]),
      };
      return [key, video] as const;
    });
    return {
      index: numberAt('episode_index'),
      length: numberAt('length'),
      instruction: instructionOf(row['tasks']),
      data: { path, rows: { start: from - first, end: to - first } },
      videos: new Map(videos),
    };
  });
}

function requireWhole(value: unknown, file: string, name: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0) return number;
  throw new ModelError('bad-file', `${file}: "${name}" is ${String(value)}, expected a whole number.`);
}

/** An episode may have several tasks; upstream's recorders give one. */
function instructionOf(tasks: unknown): string {
  const list = Array.isArray(tasks) ? tasks : [tasks];
  return list.length > 0 && list[0] !== undefined ? toText(list[0]) : '';
}

class LeRobotReader {
  readonly #folder: Folder;
  readonly #info: Info;
  readonly #places: ReadonlyMap<number, Place>;
  readonly #cameras: ReadonlyMap<string, Feature>;
  /** Open video files by path: several episodes may lie in one. */
  readonly #videos = new Map<string, Promise<VideoFrames>>();

  constructor(folder: Folder, info: Info, places: readonly Place[], cameras: ReadonlyMap<string, Feature>) {
    this.#folder = folder;
    this.#info = info;
    this.#places = new Map(places.map((place) => [place.index, place]));
    this.#cameras = cameras;
  }

  async open(index: number): Promise<Episode> {
    const place = this.#places.get(index);
    if (!place) {
      throw new ModelError('bad-input', `There is no episode ${index}; there are ${this.#places.size}.`);
    }
    const state = this.#info.features[STATE];
    const { path, rows } = place.data;
    const columns = [ACTION, ...(state ? [STATE] : [])];
    const table = await readParquet(this.#folder, path, columns, rows);
    if (table.length !== place.length) {
      throw new ModelError(
        'bad-file',
        `${path} has ${table.length} steps of episode ${index}; its description says ${place.length}.`,
        'Copy the dataset again.',
      );
    }
    const { length, instruction } = place;
    return {
      index,
      length,
      instruction,
      actions: columnOf(table, ACTION, feature(this.#info, ACTION), path),
      state: state ? columnOf(table, STATE, state, path) : null,
      instructions: null,
      timestamps: null,
      frame: (camera, step) => this.#frame(place, camera, step),
      close: () => undefined,
    };
  }

  async close(): Promise<void> {
    for (const video of this.#videos.values()) await (await video.catch(() => null))?.close();
    this.#videos.clear();
  }

  async #frame(place: Place, camera: string, step: number): Promise<FrameImage> {
    const { fps } = this.#info;
    const known = this.#cameras.get(camera);
    if (!known || !(Number.isInteger(step) && step >= 0 && step < place.length)) {
      throw new ModelError(
        'bad-input',
        `Frame ${step} of camera "${camera}" was asked for; episode ${place.index} has ${place.length} steps of ` +
          `${[...this.#cameras.keys()].join(', ')}.`,
      );
    }
    if (known.dtype === 'image') return this.#embedded(place, camera, step);
    const { path, from } = place.videos.get(camera)!;
    const video = await this.#video(path);
    return video.at(from + step / fps, fps);
  }

  /** Images in the table itself: `{bytes, path}`, as the Hugging Face `datasets` library writes them. */
  async #embedded(place: Place, camera: string, step: number): Promise<FrameImage> {
    const { path, rows } = place.data;
    const at = (rows?.start ?? 0) + step;
    const [row] = await readParquet(this.#folder, path, [camera], { start: at, end: at + 1 });
    const cell = row?.[camera] as { bytes?: Uint8Array | null } | undefined;
    if (!(cell?.bytes instanceof Uint8Array)) {
      throw new ModelError(
        'bad-file',
        `${path} holds no image of camera "${camera}" at step ${step}.`,
        'Images have to be embedded in the table, or be videos.',
      );
    }
    return decodeImage(new Uint8Array(cell.bytes), `${camera} at step ${step} of episode ${place.index}`);
  }

  #video(path: string): Promise<VideoFrames> {
    const known = this.#videos.get(path);
    if (known) return known;
    const opened = this.#folder.open(path).then((file) => VideoFrames.open(file, path));
    this.#videos.set(path, opened);
    // A failure is not kept: the next frame tries again.
    opened.catch(() => this.#videos.delete(path));
    return opened;
  }
}

function columnOf(table: readonly Row[], name: string, { shape }: Feature, path: string): Float32Array {
  const width = shape[0]!;
  const out = new Float32Array(table.length * width);
  table.forEach((row, i) => {
    const value = row[name];
    const list = Array.isArray(value) || ArrayBuffer.isView(value) ? (value as ArrayLike<unknown>) : [value];
    if (list.length !== width) {
      throw new ModelError(
        'bad-file',
        `${path}: "${name}" has ${list.length} values in row ${i}, expected ${width}.`,
      );
    }
    for (let column = 0; column < width; column++) out[i * width + column] = toNumber(list[column]);
  });
  return out;
}
