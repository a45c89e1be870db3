/** Datasets as we write them, judged by real lerobot (README.md). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Dataset, Episode } from '../../src/episodes/dataset.ts';
import { writtenCameras } from '../../src/episodes/lerobot-writer/features.ts';
import { leRobotFiles } from '../../src/episodes/lerobot-writer/files.ts';
import type {
  FileLimits,
  LeRobotVersion,
  VideoCodecName,
} from '../../src/episodes/lerobot-writer/options.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { registerDecoders } from '../node/decoders.ts';
import { openPlace } from '../node/disk-folder.ts';
import { writeFiles } from '../node/write-files.ts';
import { madeDataset } from './data-cases.ts';
import { findLeRobot, tryPython } from './python.ts';

interface Way {
  readonly name: string;
  readonly frames: 'images' | 'video';
  readonly codec?: VideoCodecName;
  readonly limits?: FileLimits;
}

/** Every way that a dataset can be written. */
const WAYS: readonly Way[] = [
  { name: 'images', frames: 'images' },
  { name: 'h264', frames: 'video', codec: 'avc' },
  { name: 'av1', frames: 'video', codec: 'av1' },
];
/** v3.0 also with a file for each episode, in several chunks. */
const SMALL: FileLimits = { dataMb: 1, videoMb: 1e-4, chunkFiles: 2 };

/** Files that other libraries wrote, by the name of the case: converted by us, they hold what our readers read. */
const CONVERTED = {
  'hdf5-libero': 'tests/episodes/fixtures/hdf5-libero/pick_up_the_black_bowl_demo.hdf5',
  'hdf5-aloha': 'tests/episodes/fixtures/hdf5-aloha/episode_0.hdf5',
  rlds: 'tests/episodes/fixtures/rlds',
};

/** @returns whether all checks hold; versions of lerobot that are not there are named and left out */
export async function checkData(work: string): Promise<boolean> {
  await registerDecoders();
  let good = true;
  for (const version of ['v2.1', 'v3.0'] as const) {
    const python = findLeRobot(version);
    if ('missing' in python) {
      console.log(
        `skipped: data ${version}: ${python.missing}; tools/interop/README.md says how to get lerobot.`,
      );
      continue;
    }
    console.log(`data ${version}, in lerobot ${python.lerobot}:`);
    const folder = join(work, `data-${version}`);
    const ways = version === 'v3.0' ? [...WAYS, { ...WAYS[1]!, name: 'small-files', limits: SMALL }] : WAYS;
    for (const way of ways) await prepare(join(folder, way.name), madeDataset(), version, way);
    for (const [name, place] of Object.entries(CONVERTED)) {
      for (const way of WAYS.slice(0, 2)) {
        const dataset = await openDataset(await openPlace(resolve(place)));
        await prepare(join(folder, `${name}-${way.name}`), dataset, version, way);
        await dataset.close();
      }
    }
    const { output, failed } = tryPython(python, resolve('tools/interop/check_data.py'), folder);
    console.log(output);
    good &&= !failed;
  }
  return good;
}

/** Writes the dataset, and beside it what has to come out of it again. */
async function prepare(folder: string, dataset: Dataset, version: LeRobotVersion, way: Way): Promise<void> {
  await writeFiles(join(folder, 'dataset'), leRobotFiles(dataset, { version, ...way }));
  mkdirSync(folder, { recursive: true });
  const cameras = writtenCameras(dataset);
  const bytes = new Map<string, Uint8Array[]>(cameras.map(({ feature }) => [feature, []]));
  const episodes = [];
  for (const { index } of dataset.episodes) {
    const episode = await dataset.open(index);
    for (const { name, feature } of cameras) {
      for (let step = 0; step < episode.length; step++)
        bytes.get(feature)!.push(rgb(await episode.frame(name, step)));
    }
    episodes.push({
      tasks: tasksOf(episode),
      actions: rows(episode.actions, episode.length),
      state: episode.state && rows(episode.state, episode.length),
    });
    episode.close();
  }
  for (const [feature, frames] of bytes) writeFileSync(join(folder, `${feature}.rgb`), Buffer.concat(frames));
  const { fps, actionNames } = dataset;
  writeFileSync(join(folder, 'expected.json'), JSON.stringify({ fps, actionNames, cameras, episodes }));
}

const tasksOf = ({ length, instruction, instructions }: Episode): string[] =>
  Array.from({ length }, (_, step) => instructions?.[step] ?? instruction);

const rows = (values: Float32Array, length: number): number[][] =>
  Array.from({ length }, (_, step) => [
    ...values.subarray((step * values.length) / length, ((step + 1) * values.length) / length),
  ]);

function rgb({ data }: { readonly data: Uint8ClampedArray }): Uint8Array {
  const out = new Uint8Array((data.length / 4) * 3);
  for (let i = 0; i < data.length / 4; i++) out.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return out;
}
