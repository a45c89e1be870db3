import { memoryFolder } from '../../src/io/blob-folder.ts';
import type { Folder } from '../../src/io/folder.ts';
import { loadFixture } from '../setup/fixture.ts';

const CAMERAS = ['observation.images.front', 'observation.images.wrist'];
const EPISODES = [0, 1, 2, 3, 4, 5].map((index) => `episode_00000${index}`);

const FILES = {
  v21: [
    'meta/info.json',
    'meta/episodes.jsonl',
    'meta/tasks.jsonl',
    ...EPISODES.map((name) => `data/chunk-000/${name}.parquet`),
    ...CAMERAS.flatMap((camera) => EPISODES.map((name) => `videos/chunk-000/${camera}/${name}.mp4`)),
  ],
  images: [
    'meta/info.json',
    'meta/episodes.jsonl',
    'meta/tasks.jsonl',
    ...EPISODES.map((name) => `data/chunk-000/${name}.parquet`),
  ],
  v30: [
    'meta/info.json',
    'meta/tasks.parquet',
    'meta/episodes/chunk-000/file-000.parquet',
    'data/chunk-000/file-000.parquet',
    'data/chunk-000/file-001.parquet',
    ...CAMERAS.map((camera) => `videos/${camera}/chunk-000/file-000.mp4`),
  ],
};

export const FIXTURES = Object.keys(FILES) as (keyof typeof FILES)[];

/** The files of a fixture, to be changed before they are read. */
export async function fixtureFiles(name: keyof typeof FILES): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const path of FILES[name]) {
    files.set(path, new Uint8Array(await loadFixture(`tests/episodes/fixtures/${name}/${path}`)));
  }
  return files;
}

export async function fixtureSource(name: keyof typeof FILES): Promise<Folder> {
  return memoryFolder(name, await fixtureFiles(name));
}
