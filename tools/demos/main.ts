/** `npm run demos`: the scripted expert's demonstrations of a task as a LeRobot dataset, which the page opens. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PNG } from 'pngjs';
import { writeLeRobot } from '../../src/episodes/lerobot-writer.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { ModelError } from '../../src/model/errors.ts';
import { recordDemonstrations } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { TASKS, taskNamed } from '../../src/practice/tasks.ts';
import { parseArguments } from '../node/arguments.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';

const USAGE = `usage: npm run demos -- [options]

Lets the scripted expert do a task, with noise, and writes what it did as a LeRobot dataset (v2.1, images in its tables).

  --task NAME       one of ${TASKS.map(({ name }) => name).join(', ')} (default plate)
  --episodes N      episodes to record (default 20)
  --seed N          seed of layouts and noise (default 1)
  --out FOLDER      folder of the dataset, refused if it is there already (default demos/<task>)`;

const args = parseArguments(USAGE, {
  options: {
    task: { type: 'string', default: 'plate' },
    episodes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
});
const episodes = args.wholeNumber('episodes', 1);
const seed = args.wholeNumber('seed', 0);
const task = taskNamed(args.values.task);
const out = args.values.out ?? join('demos', task.name);
if (existsSync(out))
  throw new ModelError('bad-input', `${out} is there already.`, 'Name another folder with --out.');

const cameras = await openNodeCameras();
const recorded = await recordDemonstrations({
  mujoco: await loadMujoco(),
  view: cameras.view,
  cameras: cameras.cameras,
  task,
  episodes,
  seed,
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
// Dawn keeps a process alive.
process.exit(0);
