/** What `npm run bench:data` reads: sets that it writes into a folder, and fixtures that real libraries wrote. */
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset, FrameImage } from '../../src/episodes/dataset.ts';
import { leRobotFiles } from '../../src/episodes/lerobot-writer/files.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { Random } from '../../src/base/random.ts';
import { writeFiles } from '../node/write-files.ts';
import { makeHdf5, type DataPython } from './data-python.ts';

export const KINDS = ['video', 'images', 'hdf5', 'rlds'] as const;

export interface Source {
  readonly kind: (typeof KINDS)[number];
  /** For the reader of the table. */
  readonly told: string;
  /** A folder with nothing else in it. */
  readonly folder: string;
  /** What is opened: '' for the folder itself, else the file in it. */
  readonly file: string;
}

const [WIDTH, HEIGHT] = [640, 480];
const CAMERA = 'front';
const FIXTURES = 'tests/episodes/fixtures';

/** A smooth picture, a square that moves over it, and a camera's noise, which is most of a PNG's bytes. */
function frameAt(step: number, noise: Uint8Array): FrameImage {
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 4);
  const [left, top] = [(7 * step) % (WIDTH - 80), (3 * step) % (HEIGHT - 80)];
  const shift = (step * 7919) % noise.length;
  for (let y = 0, at = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++, at += 4) {
      const inside = x >= left && x < left + 80 && y >= top && y < top + 80;
      const grain = noise[(at + shift) % noise.length]!;
      data[at] = (inside ? 200 : x / 4) + grain;
      data[at + 1] = (inside ? 60 : y / 3) + grain;
      data[at + 2] = (inside ? 40 : (x + y) / 8) + grain;
      data[at + 3] = 255;
    }
  }
  return { width: WIDTH, height: HEIGHT, data };
}

/** Two episodes; frames are painted when they are asked for, as 200 of them fill 250 MB. */
function painted(frames: number): Dataset {
  const random = new Random(3);
  const noise = Uint8Array.from({ length: 2 ** 18 + 1 }, () => random.integer(6));
  const length = Math.ceil(frames / 2);
  const recorded = memoryDataset({
    name: 'painted',
    fps: 30,
    actionNames: ['x', 'y'],
    stateNames: ['x', 'y'],
    cameras: [{ name: CAMERA, width: WIDTH, height: HEIGHT }],
    episodes: Array.from({ length: 2 }, () => ({
      instruction: 'push the square',
      actions: new Float32Array(2 * length),
      state: new Float32Array(2 * length),
      frames: {},
    })),
  });
  return {
    ...recorded,
    open: async (index) => ({
      ...(await recorded.open(index)),
      frame: async (_, step) => frameAt(index * length + step, noise),
    }),
  };
}

/** @param python with h5py, which writes the larger HDF5 file; without it the fixture is read */
export async function makeSource(
  kind: Source['kind'],
  root: string,
  frames: number,
  python: DataPython,
): Promise<Source> {
  if (kind === 'hdf5') return hdf5Source(join(root, kind), frames, python);
  if (kind === 'rlds') return rldsSource(join(root, kind));
  const folder = join(root, kind);
  await writeFiles(folder, leRobotFiles(painted(frames), { version: 'v3.0', frames: kind }));
  const form = kind === 'video' ? 'H.264' : 'PNG in Parquet';
  return { kind, told: `LeRobot v3.0, ${form}, ${WIDTH}×${HEIGHT}`, folder, file: '' };
}

function hdf5Source(folder: string, frames: number, python: DataPython): Source {
  mkdirSync(folder);
  const file = 'bench_demo.hdf5';
  const missing = makeHdf5(python, join(folder, file), frames);
  if (missing !== null) {
    cpSync(`${FIXTURES}/hdf5-libero/pick_up_the_black_bowl_demo.hdf5`, join(folder, file));
  }
  const told =
    missing === null ? 'LIBERO layout by h5py, 256×256' : `LIBERO fixture (h5py skipped: ${missing})`;
  return { kind: 'hdf5', told, folder, file };
}

function rldsSource(root: string): Source {
  const folder = join(root, 'libero_spatial_no_noops', '1.0.0');
  for (const path of filesBelow(`${FIXTURES}/rlds`)) {
    if (/tfrecord|(features|dataset_info)\.json$/.test(path)) {
      cpSync(join(FIXTURES, 'rlds', path), join(folder, path));
    }
  }
  return { kind: 'rlds', told: 'LIBERO fixture by TFDS, JPEG', folder, file: '' };
}

function filesBelow(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).filter((path) =>
    statSync(join(folder, path)).isFile(),
  );
}

/** For a host that keeps what it serves in memory. */
export function filesOf({ folder }: Source): Map<string, Uint8Array<ArrayBuffer>> {
  return new Map(
    filesBelow(folder).map((path) => [
      path.replaceAll('\\', '/'),
      new Uint8Array(readFileSync(join(folder, path))),
    ]),
  );
}
