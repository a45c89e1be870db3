/** Datasets that the real libraries wrote, and what those read from them; on either host. */
import { memoryFolder } from '../../src/io/blob-folder.ts';
import type { Folder } from '../../src/io/folder.ts';
import { loadFixture, loadJson } from '../setup/fixture.ts';

const FIXTURES = 'tests/episodes/fixtures';
const SHARDS = ['00000-of-00002', '00001-of-00002'];

export const STORED = {
  'hdf5-libero': ['pick_up_the_black_bowl_demo.hdf5'],
  'hdf5-aloha': ['episode_0.hdf5'],
  'hdf5-variants/act-jpeg': ['episode_10.hdf5', 'episode_2.hdf5'],
  'hdf5-variants/libero': ['KITCHEN_SCENE3_turn_on_the_stove_demo.hdf5'],
  'hdf5-variants/act-lists': ['episode_0.hdf5', 'episode_1.hdf5'],
  'hdf5-variants': ['robomimic.hdf5', 'robocasa.hdf5', 'plugin_demo.hdf5', 'virtual_demo.hdf5'],
  rlds: [
    'dataset_info.json',
    'features.json',
    ...SHARDS.map((shard) => `libero_spatial_no_noops-train.tfrecord-${shard}`),
  ],
};

export interface Truth {
  episodes: { index: number; length: number; tasks: string[]; action: number[][]; state: number[][] }[];
  frames: { camera: string; episode: number; step: number; png: string }[];
}

export async function storedFiles(name: keyof typeof STORED): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of STORED[name])
    files.set(file, new Uint8Array(await loadFixture(`${FIXTURES}/${name}/${file}`)));
  return files;
}

/** @param only one of its files */
export async function storedFolder(name: keyof typeof STORED, only?: string): Promise<Folder> {
  const files = await storedFiles(name);
  return memoryFolder(name, only ? new Map([[only, files.get(only)!]]) : files);
}

export function truthOf<T extends object = Truth>(name: string): Promise<T> {
  return loadJson<T>(`${FIXTURES}/${name}/truth.json`);
}

/** Values as float32, which JSON does not keep. */
export const float32 = (rows: readonly (readonly number[])[]): number[] => rows.flat().map(Math.fround);

/** RGBA of a frame's PNG. */
export async function pixelsOf(name: string, png: string): Promise<Uint8ClampedArray> {
  const bytes = await loadFixture(`${FIXTURES}/${name}/${png.slice(png.lastIndexOf('/') + 1)}`);
  if (typeof createImageBitmap !== 'undefined') {
    const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: 'none' });
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  }
  const { PNG } = await import('pngjs');
  return new Uint8ClampedArray(PNG.sync.read(Buffer.from(bytes)).data);
}

/** How far two pictures are apart: the largest difference of a value. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
