/** The files in `meta/`, written when all episodes are: info.json last, so that a dataset without it is an unfinished one. */
import type { Dataset } from '../dataset.ts';
import { infoFeatures, type WrittenCamera } from './features.ts';
import { jsonFile, jsonLines, statisticsText } from './json.ts';
import type { FileLimits, LeRobotOptions, Piece } from './options.ts';
import { ParquetFile, type Column } from './parquet-file.ts';
import type { Place } from './series.ts';
import { STATISTICS, TotalStatistics, type FeatureStatistics } from './statistics.ts';

export interface WrittenEpisode {
  readonly length: number;
  /** In the order in which they come up. */
  readonly tasks: readonly string[];
  /** Index in the whole dataset of its first step. */
  readonly firstFrame: number;
  readonly data: Place;
  /** By feature: the file, and the seconds of it. */
  readonly videos: ReadonlyMap<string, { readonly place: Place; readonly from: number; readonly to: number }>;
  readonly statistics: ReadonlyMap<string, FeatureStatistics>;
}

export interface Written {
  readonly dataset: Dataset;
  readonly cameras: readonly WrittenCamera[];
  readonly episodes: readonly WrittenEpisode[];
  /** By task_index. */
  readonly tasks: readonly string[];
  /** Null where frames are images. */
  readonly video: { readonly fps: number; readonly codec: string } | null;
  readonly limits: FileLimits;
  readonly robotType: string | null;
}

export function metaFiles(version: LeRobotOptions['version'], written: Written): Promise<Piece[]> {
  return version === 'v2.1' ? metaV21(written) : metaV30(written);
}

const encode = (text: string) => new TextEncoder().encode(text);
const V21_KEYS = ['min', 'max', 'mean', 'std'] as const;

function common({ dataset, cameras, episodes, tasks, video, limits, robotType }: Written) {
  return {
    robot_type: robotType,
    total_episodes: episodes.length,
    total_frames: episodes.reduce((sum, { length }) => sum + length, 0),
    total_tasks: tasks.length,
    chunks_size: limits.chunkFiles,
    fps: dataset.fps,
    splits: { train: `0:${episodes.length}` },
    features: infoFeatures(dataset, cameras, video),
  };
}

async function metaV21(written: Written): Promise<Piece[]> {
  const { cameras, episodes, tasks, video, limits } = written;
  const isImage = imageFeatures(cameras);
  const stats = episodes.map(
    ({ statistics }, i) =>
      `{"episode_index": ${i}, "stats": ${statisticsText(statistics, isImage, V21_KEYS)}}\n`,
  );
  const info = {
    codebase_version: 'v2.1',
    ...common(written),
    total_videos: video ? episodes.length * cameras.length : 0,
    total_chunks: Math.ceil(episodes.length / limits.chunkFiles),
    data_path: 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet',
    video_path: video ? 'videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4' : null,
  };
  return [
    {
      path: 'meta/episodes.jsonl',
      bytes: jsonLines(episodes.map(({ length, tasks: of }, i) => ({ episode_index: i, tasks: of, length }))),
    },
    {
      path: 'meta/tasks.jsonl',
      bytes: jsonLines(tasks.map((task, i) => ({ task_index: i, task }))),
    },
    { path: 'meta/episodes_stats.jsonl', bytes: encode(stats.join('')) },
    { path: 'meta/info.json', bytes: jsonFile(info) },
  ];
}

async function metaV30(written: Written): Promise<Piece[]> {
  const { cameras, episodes, tasks, video, limits } = written;
  const total = new TotalStatistics();
  for (const { statistics } of episodes) total.add(statistics);
  const info = {
    codebase_version: 'v3.0',
    ...common(written),
    data_files_size_in_mb: limits.dataMb,
    video_files_size_in_mb: limits.videoMb,
    data_path: 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet',
    video_path: video ? 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4' : null,
  };
  return [
    { path: 'meta/tasks.parquet', bytes: await tasksTable(tasks) },
    { path: 'meta/episodes/chunk-000/file-000.parquet', bytes: await episodesTable(written) },
    {
      path: 'meta/stats.json',
      bytes: encode(`${statisticsText(total.finish(), imageFeatures(cameras), STATISTICS)}\n`),
    },
    { path: 'meta/info.json', bytes: jsonFile(info) },
  ];
}

function imageFeatures(cameras: readonly WrittenCamera[]): (feature: string) => boolean {
  const features = new Set(cameras.map(({ feature }) => feature));
  return (feature) => features.has(feature);
}

const pandasColumn = (name: string, pandas: string, numpy: string) => ({
  name,
  field_name: name,
  pandas_type: pandas,
  numpy_type: numpy,
  metadata: null,
});

/** The sentences are the index of a pandas table, whose rows lie in the order of `task_index`: lerobot looks up both ways. */
async function tasksTable(tasks: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const pandas = {
    index_columns: ['task'],
    column_indexes: [
      {
        name: null,
        field_name: null,
        pandas_type: 'unicode',
        numpy_type: 'object',
        metadata: { encoding: 'UTF-8' },
      },
    ],
    columns: [pandasColumn('task_index', 'int64', 'int64'), pandasColumn('task', 'unicode', 'object')],
    attributes: {},
    creator: { library: 'hyparquet-writer', version: '0.17.0' },
    pandas_version: '2.3.3',
  };
  const columns: Column[] = [
    { name: 'task_index', type: 'int64' },
    { name: 'task', type: 'string' },
  ];
  return wholeTable(
    columns,
    tasks.map((task, i) => ({ task_index: BigInt(i), task })),
    { pandas: JSON.stringify(pandas) },
  );
}

/** Everything that lerobot keeps of an episode, one row each. */
async function episodesTable({ cameras, episodes }: Written): Promise<Uint8Array<ArrayBuffer>> {
  const isImage = imageFeatures(cameras);
  const features = [...(episodes[0]?.statistics.keys() ?? [])];
  const columns: Column[] = [
    { name: 'episode_index', type: 'int64' },
    { name: 'tasks', type: { list: 'string', depth: 1 } },
    ...['length', 'data/chunk_index', 'data/file_index', 'dataset_from_index', 'dataset_to_index'].map(
      (name): Column => ({ name, type: 'int64' }),
    ),
    ...[...(episodes[0]?.videos.keys() ?? [])].flatMap((feature): Column[] => [
      { name: `videos/${feature}/chunk_index`, type: 'int64' },
      { name: `videos/${feature}/file_index`, type: 'int64' },
      { name: `videos/${feature}/from_timestamp`, type: 'float64' },
      { name: `videos/${feature}/to_timestamp`, type: 'float64' },
    ]),
    ...features.flatMap((feature): Column[] => [
      ...STATISTICS.map((key): Column => ({
        name: `stats/${feature}/${key}`,
        type: { list: 'float64', depth: isImage(feature) ? 3 : 1 },
      })),
      { name: `stats/${feature}/count`, type: { list: 'int64', depth: 1 } },
    ]),
    { name: 'meta/episodes/chunk_index', type: 'int64' },
    { name: 'meta/episodes/file_index', type: 'int64' },
  ];
  const rows = episodes.map((episode, i) => {
    const row: Record<string, unknown> = {
      episode_index: BigInt(i),
      tasks: [...episode.tasks],
      length: BigInt(episode.length),
      'data/chunk_index': BigInt(episode.data.chunk),
      'data/file_index': BigInt(episode.data.file),
      dataset_from_index: BigInt(episode.firstFrame),
      dataset_to_index: BigInt(episode.firstFrame + episode.length),
      'meta/episodes/chunk_index': 0n,
      'meta/episodes/file_index': 0n,
    };
    for (const [feature, { place, from, to }] of episode.videos) {
      row[`videos/${feature}/chunk_index`] = BigInt(place.chunk);
      row[`videos/${feature}/file_index`] = BigInt(place.file);
      row[`videos/${feature}/from_timestamp`] = from;
      row[`videos/${feature}/to_timestamp`] = to;
    }
    for (const feature of features) {
      const statistics = episode.statistics.get(feature)!;
      for (const key of STATISTICS) {
        const values = statistics[key];
        row[`stats/${feature}/${key}`] = isImage(feature) ? values.map((value) => [[value]]) : [...values];
      }
      row[`stats/${feature}/count`] = [BigInt(statistics.count)];
    }
    return row;
  });
  return wholeTable(columns, rows, {});
}

const ROWS_IN_GROUP = 1000;

async function wholeTable(
  columns: readonly Column[],
  rows: readonly Record<string, unknown>[],
  about: Readonly<Record<string, string>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await ParquetFile.open(columns, about);
  for (let at = 0; at < rows.length; at += ROWS_IN_GROUP) {
    const group = rows.slice(at, at + ROWS_IN_GROUP);
    await file.add(Object.fromEntries(columns.map(({ name }) => [name, group.map((row) => row[name])])));
  }
  return file.finish();
}
