/** Episodes → a LeRobot dataset, v2.1, with the images in its tables (huggingface/lerobot, lerobot/datasets/utils.py). */
import type { SchemaElement } from 'hyparquet';
import type { Dataset, Episode, FrameImage } from './dataset.ts';
import { fieldStatistics } from './statistics.ts';

export interface LeRobotOptions {
  /** PNG or JPEG bytes of a frame. */
  readonly encodeImage: (image: FrameImage) => Promise<Uint8Array>;
  readonly robotType: string;
  /** Writes one file; paths use `/`. */
  readonly write: (path: string, bytes: Uint8Array) => Promise<void>;
  readonly onProgress?: (done: number, total: number) => void;
}

const CHUNK = 1000;
const pad = (value: number, digits: number) => String(value).padStart(digits, '0');
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value, null, 2));
const lines = (rows: readonly unknown[]) =>
  new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

/** Writes every episode; `meta/info.json` comes last, so that a dataset without it is an unfinished one. */
export async function writeLeRobot(dataset: Dataset, options: LeRobotOptions): Promise<void> {
  const tasks = [...new Set(dataset.episodes.map(({ instruction }) => instruction))];
  const stats: unknown[] = [];
  let frames = 0;
  for (const [i, { index }] of dataset.episodes.entries()) {
    const episode = await dataset.open(index);
    const { bytes, statistics } = await episodeFile(dataset, episode, {
      index: i,
      firstFrame: frames,
      task: tasks.indexOf(episode.instruction),
      encodeImage: options.encodeImage,
    });
    const chunk = pad(Math.floor(i / CHUNK), 3);
    await options.write(`data/chunk-${chunk}/episode_${pad(i, 6)}.parquet`, bytes);
    stats.push({ episode_index: i, stats: statistics });
    frames += episode.length;
    episode.close();
    options.onProgress?.(i + 1, dataset.episodes.length);
  }
  const episodes = dataset.episodes.map(({ length, instruction }, i) => ({
    episode_index: i,
    tasks: [instruction],
    length,
  }));
  await options.write('meta/episodes.jsonl', lines(episodes));
  await options.write('meta/tasks.jsonl', lines(tasks.map((task, i) => ({ task_index: i, task }))));
  await options.write('meta/episodes_stats.jsonl', lines(stats));
  await options.write('meta/info.json', text(infoOf(dataset, options.robotType, frames, tasks.length)));
}

const vector = (names: readonly string[]) => ({ dtype: 'float32', shape: [names.length], names });
const scalar = (dtype: string) => ({ dtype, shape: [1], names: null });
/** Numbers per channel, shaped [3, 1, 1]. */
const shaped = (values: readonly number[]) => values.map((value) => [[value]]);

function infoOf(dataset: Dataset, robotType: string, frames: number, tasks: number) {
  const { episodes, actionNames, stateNames, cameras, fps } = dataset;
  return {
    codebase_version: 'v2.1',
    robot_type: robotType,
    total_episodes: episodes.length,
    total_frames: frames,
    total_tasks: tasks,
    total_videos: 0,
    total_chunks: Math.ceil(episodes.length / CHUNK),
    chunks_size: CHUNK,
    fps,
    splits: { train: `0:${episodes.length}` },
    data_path: 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet',
    video_path: null,
    features: {
      ...Object.fromEntries(
        cameras.map(({ name, height, width }) => [
          imageKey(name),
          { dtype: 'image', shape: [height, width, 3], names: ['height', 'width', 'channel'] },
        ]),
      ),
      ...(stateNames ? { 'observation.state': vector(stateNames) } : {}),
      action: vector(actionNames),
      timestamp: scalar('float32'),
      frame_index: scalar('int64'),
      episode_index: scalar('int64'),
      index: scalar('int64'),
      task_index: scalar('int64'),
    },
  };
}

const imageKey = (camera: string) =>
  camera.startsWith('observation.') ? camera : `observation.images.${camera}`;

interface Column {
  readonly name: string;
  readonly type: 'image' | 'vector' | 'FLOAT' | 'INT64';
  readonly data: unknown[];
  readonly statistics: unknown;
}

async function episodeFile(
  dataset: Dataset,
  episode: Episode,
  about: {
    readonly index: number;
    readonly firstFrame: number;
    readonly task: number;
    readonly encodeImage: LeRobotOptions['encodeImage'];
  },
): Promise<{ bytes: Uint8Array; statistics: Record<string, unknown> }> {
  const { length } = episode;
  const steps = Array.from({ length }, (_, step) => step);
  const columns: Column[] = [];
  for (const { name } of dataset.cameras) columns.push(await imageColumn(name, episode, about.encodeImage));
  if (episode.state && dataset.stateNames)
    columns.push(vectorColumn('observation.state', episode.state, dataset.stateNames.length));
  columns.push(vectorColumn('action', episode.actions, dataset.actionNames.length));
  columns.push(
    scalarColumn(
      'timestamp',
      'FLOAT',
      steps.map((step) => step / dataset.fps),
    ),
    scalarColumn('frame_index', 'INT64', steps),
    scalarColumn(
      'episode_index',
      'INT64',
      steps.map(() => about.index),
    ),
    scalarColumn(
      'index',
      'INT64',
      steps.map((step) => about.firstFrame + step),
    ),
    scalarColumn(
      'task_index',
      'INT64',
      steps.map(() => about.task),
    ),
  );
  const { ByteWriter, parquetWrite } = await import('hyparquet-writer');
  const writer = new ByteWriter();
  await parquetWrite({
    writer,
    // PNGs do not become smaller.
    codec: 'UNCOMPRESSED',
    columnData: columns.map(({ name, data }) => ({ name, data })),
    schema: [{ name: 'schema', num_children: columns.length }, ...columns.flatMap(schemaOf)],
  });
  return {
    bytes: new Uint8Array(writer.getBuffer()),
    statistics: Object.fromEntries(columns.map(({ name, statistics }) => [name, statistics])),
  };
}

function schemaOf({ name, type }: Column): SchemaElement[] {
  if (type === 'image') {
    return [
      { name, num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ];
  }
  if (type === 'vector') {
    return [
      { name, num_children: 1, repetition_type: 'OPTIONAL', converted_type: 'LIST' },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      { name: 'element', type: 'FLOAT', repetition_type: 'OPTIONAL' },
    ];
  }
  return [{ name, type, repetition_type: 'OPTIONAL' }];
}

function summary(parts: readonly Float32Array[], size: number, count: number) {
  const { min, max, mean, std } = fieldStatistics(parts, size);
  return { min, max, mean, std, count: [count] };
}

function vectorColumn(name: string, values: Float32Array, size: number): Column {
  const rows = Array.from({ length: values.length / size }, (_, i) => [
    ...values.subarray(i * size, (i + 1) * size),
  ]);
  return { name, type: 'vector', data: rows, statistics: summary([values], size, rows.length) };
}

function scalarColumn(name: string, type: 'FLOAT' | 'INT64', values: readonly number[]): Column {
  return {
    name,
    type,
    data: type === 'INT64' ? values.map(BigInt) : [...values],
    statistics: summary([Float32Array.from(values)], 1, values.length),
  };
}

/** Statistics of an image are per channel, of values in 0…1, shaped [3, 1, 1]. */
async function imageColumn(
  camera: string,
  episode: Episode,
  encodeImage: LeRobotOptions['encodeImage'],
): Promise<Column> {
  const data: unknown[] = [];
  const channels: Float32Array[] = [];
  for (let step = 0; step < episode.length; step++) {
    const image = await episode.frame(camera, step);
    data.push({ bytes: await encodeImage(image), path: `frame_${pad(step, 6)}.png` });
    const rgb = new Float32Array((image.data.length / 4) * 3);
    for (let pixel = 0; pixel < rgb.length / 3; pixel++)
      for (let c = 0; c < 3; c++) rgb[3 * pixel + c] = image.data[4 * pixel + c]! / 255;
    channels.push(rgb);
  }
  const flat = summary(channels, 3, episode.length);
  return {
    name: imageKey(camera),
    type: 'image',
    data,
    statistics: {
      min: shaped(flat.min),
      max: shaped(flat.max),
      mean: shaped(flat.mean),
      std: shaped(flat.std),
      count: flat.count,
    },
  };
}
