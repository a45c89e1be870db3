/** Datasets written by lerobot itself, with what lerobot reads from them (fixtures/lerobot/copy.mjs), and the inputs that went wrong. */
import { expect } from 'vitest';
import type { Dataset, FrameImage } from '../../src/episodes/dataset.ts';
import type { OpenOptions } from '../../src/episodes/reading.ts';
import { decodeImage } from '../../src/episodes/image-decode.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { loadFixture, loadJson } from '../setup/fixture.ts';
import { fixtureFiles } from './fixture-source.ts';

const ROOT = 'tests/episodes/fixtures/lerobot';

export const REAL_SETS = [
  'lerobot-v20-so101-av1',
  'lerobot-v21-libero-images',
  'lerobot-v30-chunks',
  'lerobot-v30-extra-features',
  'lerobot-v30-two-tasks-in-episode',
] as const;
export type RealSet = (typeof REAL_SETS)[number];

export interface Truth {
  readonly episodes: readonly {
    readonly index: number;
    readonly length: number;
    readonly tasks: readonly { readonly task: string; readonly steps: number }[];
    readonly lastTimestamp: number;
    readonly firstAction: readonly number[];
    readonly lastState: readonly number[];
    readonly actionSha256: string;
    readonly stateSha256: string;
  }[];
  readonly frames: readonly {
    readonly camera: string;
    readonly episode: number;
    readonly step: number;
    readonly png: string;
  }[];
}

export type Files = Map<string, Uint8Array<ArrayBuffer>>;

async function filesBelow(folder: string): Promise<Files> {
  const files: Files = new Map();
  for (const path of await loadJson<string[]>(`${ROOT}/${folder}/files.json`)) {
    files.set(path, new Uint8Array(await loadFixture(`${ROOT}/${folder}/${path}`)));
  }
  return files;
}

export const realFiles = (set: RealSet): Promise<Files> => filesBelow(set);
export const truthOf = (set: RealSet): Promise<Truth> => loadJson<Truth>(`${ROOT}/${set}/truth.json`);

/** @param base what the case was made from; its other files are the same */
export async function caseFiles(name: string, base: 'v21' | 'v30' | null): Promise<Files> {
  const files: Files = base ? await fixtureFiles(base) : new Map();
  for (const [path, bytes] of await filesBelow(`cases/${name}`)) files.set(path, bytes);
  return files;
}

export function openFiles(files: Files, options: OpenOptions = {}): Promise<Dataset> {
  return openDataset(memoryFolder('set', files), options);
}

/** Worst and mean difference of the colours, of 255. */
export function difference(ours: FrameImage, theirs: FrameImage): { worst: number; mean: number } {
  expect([ours.width, ours.height]).toEqual([theirs.width, theirs.height]);
  let sum = 0;
  let worst = 0;
  for (let i = 0; i < theirs.data.length; i++) {
    const apart = Math.abs(theirs.data[i]! - ours.data[i]!);
    sum += apart;
    worst = Math.max(worst, apart);
  }
  // Alpha is the same everywhere.
  return { worst, mean: (sum / theirs.data.length) * (4 / 3) };
}

/** Every frame of a set beside what lerobot gives for that step. */
export async function frameDifferences(set: RealSet): Promise<{ worst: number; mean: number }[]> {
  const dataset = await openFiles(await realFiles(set));
  const { frames } = await truthOf(set);
  const found = [];
  for (const { camera, episode, step, png } of frames) {
    const opened = await dataset.open(episode);
    const theirs = await decodeImage(new Uint8Array(await loadFixture(`${ROOT}/${set}/${png}`)), png);
    found.push(difference(await opened.frame(camera, step), theirs));
  }
  await dataset.close();
  return found;
}

/**
 * lerobot's own frames: the same bits, from images and from video. The pictures beside the v2.0 set are of another encoding than its
 * videos: frames of neighbouring steps are 3.2 and more apart.
 */
export const FRAME_LIMITS: Readonly<Record<RealSet, { worst: number; mean: number }>> = {
  'lerobot-v20-so101-av1': { worst: 12, mean: 1.5 },
  'lerobot-v21-libero-images': { worst: 0, mean: 0 },
  'lerobot-v30-chunks': { worst: 0, mean: 0 },
  'lerobot-v30-extra-features': { worst: 0, mean: 0 },
  'lerobot-v30-two-tasks-in-episode': { worst: 0, mean: 0 },
};
