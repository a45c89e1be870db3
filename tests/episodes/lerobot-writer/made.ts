import type { Dataset, FrameImage } from '../../../src/episodes/dataset.ts';
import { leRobotFiles } from '../../../src/episodes/lerobot-writer/files.ts';
import type { LeRobotOptions } from '../../../src/episodes/lerobot-writer/options.ts';
import { memoryDataset } from '../../../src/episodes/memory-dataset.ts';

export const LENGTHS = [3, 5, 2];
export const TASKS = ['lift it', 'say "no", then ünicode', 'lift it'];

export function frame(value: number, width = 4, height = 2): FrameImage {
  const data = new Uint8ClampedArray(4 * width * height).map((_, i) => (i % 4 === 3 ? 255 : value + i));
  return { width, height, data };
}

/** Three episodes of two actions, one value of state and one camera; the second one changes its task at step 3. */
export function madeDataset(size = { width: 4, height: 2 }): Dataset {
  const recorded = memoryDataset({
    name: 'recorded',
    fps: 10,
    actionNames: ['x', 'gripper'],
    stateNames: ['height'],
    cameras: [{ name: 'main', ...size }],
    episodes: LENGTHS.map((length, e) => ({
      instruction: TASKS[e]!,
      actions: Float32Array.from({ length: 2 * length }, (_, i) => e + i / 7),
      state: Float32Array.from({ length }, (_, i) => -i / 3),
      frames: { main: Array.from({ length }, (_, i) => frame(10 * e + i, size.width, size.height)) },
    })),
  });
  return {
    ...recorded,
    open: async (index) => {
      const episode = await recorded.open(index);
      if (index !== 1) return episode;
      const instructions = Array.from({ length: 5 }, (_, step) => (step < 3 ? TASKS[1]! : 'put it back'));
      return { ...episode, instructions };
    },
  };
}

export async function written(
  dataset: Dataset,
  options: LeRobotOptions,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for await (const { path, chunks } of leRobotFiles(dataset, options)) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of chunks()) parts.push(chunk);
    if (files.has(path)) throw new Error(`${path} was written twice`);
    files.set(path, new Uint8Array(await new Blob(parts).arrayBuffer()));
  }
  return files;
}

export const textOf = (files: ReadonlyMap<string, Uint8Array>, path: string): string =>
  new TextDecoder().decode(files.get(path));
