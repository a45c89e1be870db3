import { describe, expect, it } from 'vitest';
import { inspectDataset } from '../../src/episodes/inspect.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { diskFolder } from '../../tools/node/disk-folder.ts';
import { registerDecoders } from '../../tools/node/decoders.ts';

const inspected = async (path: string) => {
  await registerDecoders();
  const dataset = await openDataset(diskFolder(path), { standardise: false });
  try {
    return await inspectDataset(dataset);
  } finally {
    await dataset.close();
  }
};

describe('what is said of a dataset', () => {
  it.each([
    ['rlds', 'RLDS', '1.0.0'],
    ['hdf5-libero', 'HDF5', null],
    ['lerobot/lerobot-v30-two-tasks-in-episode', 'LeRobot', 'v3.0'],
  ])('%s: its format, numbers and statistics', async (path, format, version) => {
    const found = await inspected(`tests/episodes/fixtures/${path}`);
    expect(found).toMatchObject({ format, version });
    expect(found.episodes.length).toBeGreaterThan(0);
    for (const { length, action, state } of found.episodes) {
      expect(action).toHaveLength(length);
      expect(state).toHaveLength(length);
    }
    expect(found.statistics!.action.q99).toHaveLength(found.actionNames.length);
    // What is said is plain data: it becomes JSON and comes back.
    expect(JSON.parse(JSON.stringify(found))).toMatchObject({
      format,
      episodes: { length: found.episodes.length },
    });
  });
});
