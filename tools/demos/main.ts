/** `npm run demos`: the scripted expert's demonstrations of a task as a LeRobot dataset, which the page and lerobot open. */
import { join } from 'node:path';
import { leRobotFiles } from '../../src/episodes/lerobot-writer/files.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { recordDemonstrations } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { KINDS } from '../../src/practice/open-world.ts';
import { TASKS, taskOf } from '../../src/practice/tasks.ts';
import { ROBOTS } from '../../src/practice/world.ts';
import { FORM_OPTIONS, FORM_USAGE, readForm } from '../lerobot/form.ts';
import { parseArguments } from '../node/arguments.ts';
import { registerDecoders } from '../node/decoders.ts';
import { refuseExisting, writeFiles } from '../node/write-files.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';

const USAGE = `usage: npm run demos -- [options]

Lets the scripted expert do a task, with noise, and writes what it did as a LeRobot dataset.

  --robot NAME      who does it: ${ROBOTS.join(', ')} (default gripper)
  --task NAME       one of ${TASKS.map(({ name }) => name).join(', ')} (default plate; of so101 lift)
  --episodes N      episodes to record (default 20)
  --seed N          seed of layouts and noise (default 1)
  --out FOLDER      folder of the dataset, refused if it is there already (default demos/<task>, demos/so101-<task>)
${FORM_USAGE}`;

const args = parseArguments(USAGE, {
  options: {
    robot: { type: 'string', default: 'gripper' },
    task: { type: 'string' },
    episodes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    ...FORM_OPTIONS,
  },
});
const episodes = args.wholeNumber('episodes', 1);
const seed = args.wholeNumber('seed', 0);
const form = readForm(args.values, (text) => args.wrong(text));
const robot = args.oneOf('robot', ROBOTS);
const task = taskOf(robot, args.values.task ?? (robot === 'gripper' ? 'plate' : 'lift'));
const out = args.values.out ?? join('demos', robot === 'gripper' ? task.name : `${robot}-${task.name}`);
refuseExisting(out, 'Name another folder with --out.');

if (form.frames === 'video') await registerDecoders();
const cameras = await openNodeCameras();
const recorded = await recordDemonstrations({
  mujoco: await loadMujoco(),
  view: cameras.view,
  cameras: cameras.cameras,
  robot,
  task,
  episodes,
  seed,
});
await writeFiles(
  out,
  leRobotFiles(memoryDataset(recorded), {
    ...form,
    robotType: robot === 'gripper' ? 'practice_table' : 'so101_follower',
  }),
);
const steps =
  recorded.episodes.reduce((sum, { actions }) => sum + actions.length, 0) /
  KINDS[robot].profile.actions.length;
console.log(`${out}: ${recorded.episodes.length} episodes, ${steps} steps, LeRobot ${form.version}`);
// Dawn keeps a process alive.
process.exit(0);
