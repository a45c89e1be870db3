/** Datasets that lerobot is to read as we wrote them: made here, so that every number and pixel is known. */
import type { Dataset, FrameImage } from '../../src/episodes/dataset.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { Random } from '../../src/base/random.ts';

const FPS = 10;
const LENGTHS = [23, 1, 31];
const SIZE = { width: 96, height: 64 };

/** Smooth, in every colour, and another one at each step: a wrong frame, matrix or range shows. */
function frame(camera: number, episode: number, step: number): FrameImage {
  const { width, height } = SIZE;
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      data[at] = (x * 255) / width;
      data[at + 1] = camera === 0 ? (y * 255) / height : 255 - (x * 255) / width;
      data[at + 2] = 40 + 6 * step + 5 * episode;
      data[at + 3] = 255;
    }
  }
  return { width, height, data };
}

const names = (count: number, letter: string) => Array.from({ length: count }, (_, i) => `${letter}${i}`);

/** Three episodes, of which the second has one step, with two cameras, seven actions and eight values of state. */
export function madeDataset(): Dataset {
  const random = new Random(7);
  const numbers = (count: number) => Float32Array.from({ length: count }, () => random.gaussian() * 3);
  const recorded = memoryDataset({
    name: 'made',
    fps: FPS,
    actionNames: names(7, 'a'),
    stateNames: names(8, 's'),
    cameras: ['front', 'wrist'].map((name) => ({ name, ...SIZE })),
    episodes: LENGTHS.map((length, episode) => ({
      instruction: episode === 1 ? 'Öffne die Schublade – 打开抽屉' : 'put "it" on the plate',
      actions: numbers(7 * length),
      state: numbers(8 * length),
      frames: {
        front: Array.from({ length }, (_, step) => frame(0, episode, step)),
        wrist: Array.from({ length }, (_, step) => frame(1, episode, step)),
      },
    })),
  });
  return {
    ...recorded,
    // The last one changes its task on the way.
    open: async (index) => {
      const episode = await recorded.open(index);
      if (index !== 2) return episode;
      const instructions = Array.from({ length: episode.length }, (_, step) =>
        step < 12 ? episode.instruction : 'now put it back',
      );
      return { ...episode, instructions };
    },
  };
}
