/** Every frame of a dataset in order, as training and playing read them; in Node and in the page. */
import type { OpenOptions } from '../../src/episodes/reading.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import type { Folder } from '../../src/io/folder.ts';

export interface FramesRead {
  readonly frames: number;
  /** Opening included. */
  readonly seconds: number;
}

/** As stored: what the libraries beside give. */
const AS_STORED: OpenOptions = { standardise: false, turned: 0 };

export async function readAllFrames(folder: Folder): Promise<FramesRead> {
  const start = performance.now();
  const dataset = await openDataset(folder, AS_STORED);
  let frames = 0;
  for (const { index, length } of dataset.episodes) {
    const episode = await dataset.open(index);
    for (let step = 0; step < length; step++) {
      for (const { name } of dataset.cameras) {
        await episode.frame(name, step);
        frames += 1;
      }
    }
    episode.close();
  }
  await dataset.close();
  return { frames, seconds: (performance.now() - start) / 1000 };
}

/**
 * One frame from the middle of the first episode, and nothing else.
 * @param onOpened what was fetched until then is not the frame's
 */
export async function readOneFrame(folder: Folder, onOpened: () => void): Promise<void> {
  const dataset = await openDataset(folder, AS_STORED);
  const episode = await dataset.open(dataset.episodes[0]!.index);
  onOpened();
  await episode.frame(dataset.cameras[0]!.name, episode.length >> 1);
  episode.close();
  await dataset.close();
}
