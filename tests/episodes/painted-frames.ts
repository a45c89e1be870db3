/** What fixtures/make.py painted, so that a frame tells its camera, episode and step. */
import { expect } from 'vitest';
import type { Dataset, FrameImage } from '../../src/episodes/dataset.ts';

export const CAMERAS = ['observation.images.front', 'observation.images.wrist'];

/**
 * Red grows by 12 a step, green by 30 an episode, blue is 150 or 80 by camera. A video's colours come back a few levels off, as it is
 * compressed; read as BT.601 instead of the BT.709 that it names they would be 10 and more off. PNG is exact.
 */
export function expectColour(
  image: FrameImage,
  camera: number,
  episode: number,
  step: number,
  exact = false,
): void {
  const middle = 4 * (32 * image.width + 32);
  const wanted = [40 + 12 * step, 30 * episode + 40, camera === 0 ? 150 : 80];
  const apart = exact ? [0, 0, 0] : [4, 4, 4];
  const wrong = wanted.filter((value, i) => Math.abs(value - image.data[middle + i]!) > apart[i]!);
  expect(wrong, `camera ${camera}, episode ${episode}, step ${step}`).toEqual([]);
}

/** Checks the frames of both cameras; returns how many. */
export async function framesSeen(
  dataset: Dataset,
  steps: [number, number][],
  exact: boolean,
): Promise<number> {
  let seen = 0;
  for (const [episodeIndex, step] of steps) {
    const episode = await dataset.open(episodeIndex);
    for (const [camera, name] of CAMERAS.entries()) {
      const image = await episode.frame(name, step);
      expect([image.width, image.height]).toEqual([64, 64]);
      expectColour(image, camera, episodeIndex, step, exact);
      seen += 1;
    }
    episode.close();
  }
  await dataset.close();
  return seen;
}
