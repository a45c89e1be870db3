/**
 * `npm run demos -- --task can --episodes 20 [--seed 1] [--out demos/can]`
 *
 * Lets the scripted expert do a task, with noise, and writes what it did as a LeRobot dataset (v2.1, images in its tables), which the page opens.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { PNG } from 'pngjs';
import { writeLeRobot } from '../../src/episodes/lerobot-writer.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { ModelError } from '../../src/model/errors.ts';
import { recordDemonstrations } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { taskNamed } from '../../src/practice/tasks.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';

const { values } = parseArgs({
  options: {
    task: { type: 'string', default: 'plate' },
    episodes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
});

try {
  const out = values.out ?? join('demos', values.task);
  if (existsSync(out))
    throw new ModelError('bad-input', `${out} is there already.`, 'Name another folder with --out.');
  const task = taskNamed(values.task);
  const cameras = await openNodeCameras();
  const recorded = await recordDemonstrations({
    mujoco: await loadMujoco(),
    view: cameras.view,
    cameras: cameras.cameras,
    task,
    episodes: Number(values.episodes),
    seed: Number(values.seed),
  });
  await writeLeRobot(memoryDataset(recorded), {
    robotType: 'practice_table',
    encodeImage: async ({ width, height, data }) => {
      const png = new PNG({ width, height });
      png.data.set(data);
      return PNG.sync.write(png);
    },
    write: async (path, bytes) => {
      mkdirSync(dirname(join(out, path)), { recursive: true });
      writeFileSync(join(out, path), bytes);
    },
  });
  const steps = recorded.episodes.reduce((sum, { actions }) => sum + actions.length / 7, 0);
  console.log(`${out}: ${recorded.episodes.length} episodes, ${steps} steps`);
} catch (error) {
  if (!(error instanceof ModelError)) throw error;
  console.error(`${error.message} ${error.hint}`.trim());
  process.exit(1);
}
// Dawn keeps a process alive.
process.exit(0);
