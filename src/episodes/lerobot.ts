/** LeRobot datasets, v2.0, v2.1 and v3.0 (huggingface/lerobot, lerobot/datasets/utils.py and lerobot_dataset.py). */
import type { Folder } from '../io/folder.ts';
import type { Dataset, EpisodeInfo } from './dataset.ts';
import type { OpenOptions } from './reading.ts';
import { placesV2 } from './lerobot/episodes-v2.ts';
import { placesV3 } from './lerobot/episodes-v3.ts';
import { cameraInfo, checkMapping, guessMapping, joinedNames } from './lerobot/features.ts';
import { readInfo } from './lerobot/info.ts';
import type { Place } from './lerobot/places.ts';
import { instructionsOf, LeRobotReader } from './lerobot/reader.ts';
import { readRowTasks } from './lerobot/rows.ts';
import { Tables } from './lerobot/tables.ts';
import { readTasks, type Tasks } from './lerobot/tasks.ts';

/** @throws ModelError `bad-file` for a damaged dataset, `unsupported` for another version, `bad-input` for a mapping that does not fit, `download-failed` */
export async function openLeRobot(folder: Folder, options: OpenOptions = {}): Promise<Dataset> {
  const info = await readInfo(folder);
  const { features, fps, version } = info;
  const mapping = options.mapping ? checkMapping(features, options.mapping) : guessMapping(features);
  const videoKeys = mapping.cameras.filter((name) => features.get(name)!.dtype === 'video');
  const places = await (version === 'v3.0' ? placesV3 : placesV2)(folder, info, videoKeys);
  const tasks = await readTasks(folder, info);
  const tables = new Tables(folder, info, places);
  const reader = new LeRobotReader(folder, { info, mapping, tasks, tables, places });
  const episodes: EpisodeInfo[] = [];
  for (const place of places) episodes.push(await episodeInfo(place, tables, tasks));
  return {
    name: folder.name,
    format: `LeRobot ${version}`,
    fps,
    actionNames: joinedNames(features, [mapping.action], 'action'),
    stateNames: mapping.state.length === 0 ? null : joinedNames(features, mapping.state, 'state'),
    cameras: mapping.cameras.map((name) => cameraInfo(name, features.get(name)!)),
    reading: {
      features: [...features].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
      mapping,
      standardisation: null,
      turned: 0,
    },
    episodes,
    open: (index) => reader.open(index),
    close: () => reader.close(),
  };
}

/**
 * The description's list of tasks has no order, and may be older than the rows. Where it is more than one task of the table, the rows
 * are looked at.
 */
async function episodeInfo(place: Place, tables: Tables, tasks: Tasks): Promise<EpisodeInfo> {
  const known = new Set(tasks.values());
  const clear = place.tasks.length === 1 && (known.size === 0 || known.has(place.tasks[0]!));
  // What is wrong with the rows is said when the episode is opened.
  const rowTasks =
    clear || place.taskless ? null : await readRowTasks(tables, place, tasks).catch(() => null);
  const { instruction, tasks: all } = instructionsOf(place, rowTasks);
  const { index, length } = place;
  return { index, length, instruction, ...(all.length > 1 ? { tasks: all } : {}) };
}
