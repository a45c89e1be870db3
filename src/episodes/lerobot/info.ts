/** meta/info.json of a LeRobot dataset. */
import * as v from 'valibot';
import { readJson, type Folder } from '../../io/folder.ts';
import { ModelError } from '../../base/errors.ts';

export const VERSIONS = ['v2.0', 'v2.1', 'v3.0'] as const;
export type Version = (typeof VERSIONS)[number];

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const featureSchema = v.looseObject({
  dtype: v.string(),
  shape: v.pipe(v.array(whole), v.maxLength(8)),
  names: v.optional(v.unknown()),
  info: v.optional(v.unknown()),
  video_info: v.optional(v.unknown()),
});
const infoSchema = v.looseObject({
  codebase_version: v.string(),
  fps: v.pipe(v.number(), v.minValue(0.01), v.maxValue(10_000)),
  total_episodes: whole,
  chunks_size: v.optional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(1)))),
  data_path: v.string(),
  video_path: v.optional(v.nullable(v.string())),
  features: v.record(v.string(), featureSchema),
});

export type Feature = v.InferOutput<typeof featureSchema>;

export interface Info {
  readonly version: Version;
  /** Hz */
  readonly fps: number;
  readonly episodes: number;
  /** Episodes in a folder of v2. */
  readonly chunkSize: number;
  /** Templates such as `data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet`. */
  readonly dataPath: string;
  readonly videoPath: string | null;
  readonly features: ReadonlyMap<string, Feature>;
}

export const INFO_PATH = 'meta/info.json';

/** @throws ModelError `bad-file` for what does not describe a LeRobot dataset, `unsupported` for another version */
export async function readInfo(folder: Folder): Promise<Info> {
  const parsed = v.safeParse(infoSchema, await readJson(folder, INFO_PATH));
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new ModelError(
      'bad-file',
      `${INFO_PATH}: ${v.getDotPath(issue) ?? 'its content'} is wrong: ${issue.message}`,
      'Is it a LeRobot dataset?',
    );
  }
  const info = parsed.output;
  const version = VERSIONS.find((known) => known === info.codebase_version);
  if (!version) {
    throw new ModelError(
      'unsupported',
      `This is a LeRobot dataset of version ${info.codebase_version.slice(0, 40)}; ${VERSIONS.join(', ')} can be read.`,
      'Convert it with LeRobot’s own scripts: lerobot/datasets/v2, v21 or v30, in the lerobot of its version.',
    );
  }
  return {
    version,
    fps: info.fps,
    episodes: info.total_episodes,
    chunkSize: info.chunks_size ?? 1000,
    dataPath: info.data_path,
    videoPath: info.video_path ?? null,
    features: new Map(Object.entries(info.features)),
  };
}

/**
 * Fills a path template of info.json: `{episode_chunk:03d}` and the like.
 * @throws ModelError `bad-file` for a field that has no value, or a path that leaves the dataset
 */
export function fillPath(template: string, values: Readonly<Record<string, string | number>>): string {
  const path = template.replace(/\{(\w+)(?::0?(\d{0,2})d?)?\}/g, (field, key: string, digits?: string) => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (value === undefined) {
      throw new ModelError(
        'bad-file',
        `${INFO_PATH}: the path "${template}" has the unknown field ${field}.`,
      );
    }
    return digits ? String(value).padStart(Number(digits), '0') : String(value);
  });
  if (path.split(/[/\\]/).includes('..') || path.startsWith('/')) {
    throw new ModelError('bad-file', `${INFO_PATH}: the path "${template}" leaves the dataset.`);
  }
  return path;
}

/** A file of a v3 dataset, whose files are numbered in folders of a number each. */
export function fileOf(template: string, chunk: number, file: number, videoKey = ''): string {
  return fillPath(template, { chunk_index: chunk, file_index: file, video_key: videoKey });
}
