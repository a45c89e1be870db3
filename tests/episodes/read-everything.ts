import type { OpenOptions } from '../../src/episodes/reading.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { datasetStatistics } from '../../src/episodes/statistics.ts';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { ModelError } from '../../src/base/errors.ts';

/**
 * Opens a dataset and reads numbers, statistics and a frame of every camera.
 * @returns how many steps were read; −1 where it was refused with a typed error
 * @throws whatever else is thrown: a fault
 */
export async function readEverything(
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  options: OpenOptions = {},
): Promise<number> {
  try {
    const dataset = await openDataset(memoryFolder('damaged', files), options);
    try {
      let steps = 0;
      for (const { index } of dataset.episodes.slice(0, 3)) {
        const episode = await dataset.open(index);
        steps += episode.length;
        for (const { name } of dataset.cameras)
          if (episode.length > 0) await episode.frame(name, episode.length - 1);
        episode.close();
      }
      await datasetStatistics(dataset);
      return steps;
    } finally {
      await dataset.close();
    }
  } catch (error) {
    if (error instanceof ModelError) return -1;
    throw error;
  }
}
