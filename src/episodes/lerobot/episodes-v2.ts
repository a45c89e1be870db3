/** Episodes of v2.0 and v2.1: meta/episodes.jsonl; one table and one video per camera for each. */
import type { Folder } from '../../io/folder.ts';
import { fillPath, type Info } from './info.ts';
import { jsonLines } from './json-lines.ts';
import { checkIndices, requireWhole, tasksOf, type Place } from './places.ts';

const FILE = 'meta/episodes.jsonl';

/** @param videoKeys cameras that are videos */
export async function placesV2(folder: Folder, info: Info, videoKeys: readonly string[]): Promise<Place[]> {
  const template = info.videoPath;
  const places = (await jsonLines(folder, FILE)).map((row): Place => {
    const index = requireWhole(row['episode_index'], FILE, 'episode_index');
    const values = { episode_chunk: Math.floor(index / info.chunkSize), episode_index: index };
    return {
      index,
      length: requireWhole(row['length'], FILE, 'length'),
      ...tasksOf(row['tasks']),
      data: fillPath(info.dataPath, values),
      videos: new Map(
        videoKeys.map((key) => [
          key,
          template === null
            ? null
            : { path: fillPath(template, { ...values, video_key: key }), from: 0, to: null },
        ]),
      ),
    };
  });
  checkIndices(places, FILE);
  return places;
}
