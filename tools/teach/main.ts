/** `npm run teach`: what the page's fine-tuning on the practice table does, without a page, for finding settings. */
import { EXPERT_OPTIONS } from '../../src/app/finetune/expert-options.ts';
import { DemonstrationSource } from '../../src/model/finetune/demonstrations.ts';
import { adaptedConfig, type OwnConfig } from '../../src/model/policy/own-config.ts';
import type { DatasetStatistics } from '../../src/model/policy/statistics.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { datasetStatistics } from '../../src/episodes/statistics.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { recordDemonstrations, type Shown } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { REHEARSAL_EPISODES, rehearsalFor } from '../../src/practice/rehearsal.ts';
import { KINDS } from '../../src/practice/open-world.ts';
import {
  sharedOut,
  TASKS,
  taskNamed,
  taskOf,
  tasksOf,
  TRAINED_TASKS,
  type Task,
} from '../../src/practice/tasks.ts';
import { CAMERAS } from '../../src/practice/view.ts';
import { ROBOTS } from '../../src/practice/world.ts';
import { evaluateTask } from '../evaluate/evaluate-task.ts';
import { openNodePolicy } from '../evaluate/node-policy.ts';
import { parseArguments } from '../node/arguments.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';
import { lessonTrainer, writeCheckpoint } from './lesson.ts';

/** From the seed of the demonstrations to that of the episodes which are only looked at. */
const HELD_OUT = 1_000_000;
const FIRST_HELD_OUT = TASKS.find(({ heldOut }) => heldOut)!.name;
/** What the page offers for its expert's demonstrations. */
const DEFAULTS = {
  weight: String(EXPERT_OPTIONS.demonstrationWeight),
  steps: String(EXPERT_OPTIONS.maxSteps),
  batch: String(EXPERT_OPTIONS.batchSize),
  learningRate: String(EXPERT_OPTIONS.learningRate),
};
const USAGE = `usage: npm run teach -- [options]

Fine-tunes a policy with LoRA (all linear layers) and its action head on the scripted expert's demonstrations of a task,
in Node, and prints the success rates of that task and of those the policy was trained on.

  --robot NAME          ${ROBOTS.join(' or ')} (default gripper). Another robot than the policy's gets a head, a proprio projector and
                        statistics of its own; nothing is rehearsed, and only what is taught is evaluated
  --task NAME           one of ${TASKS.map(({ name }) => name).join(', ')} (default ${FIRST_HELD_OUT}); of so101
                        ${tasksOf('so101')
                          .map(({ name }) => name)
                          .join(
                            ', ',
                          )} (default lift), can be given several times: the demonstrations are shared out
  --policy FOLDER       policy package to start from (default public/models/default)
  --demonstrations N    episodes of the task to record (default 20)
  --rehearsal N         episodes of the easiest trained tasks that are mixed in, up to five times as many of the others, and
                        of these three times as many of those near to the task; 0 for none (default ${REHEARSAL_EPISODES})
  --weight N            how often a demonstration is drawn for each time a rehearsal episode is (default ${DEFAULTS.weight})
  --steps N             optimiser steps (default ${DEFAULTS.steps})
  --batch N             samples per step (default ${DEFAULTS.batch})
  --learning-rate X     (default ${DEFAULTS.learningRate})
  --decay X             share of the steps, 0…1, after which the learning rate falls to a tenth (default 0.7)
  --r N                 LoRA rank (default 32); alpha is the rank, at most 16
  --seed N              seed of demonstrations, initial weights and order of samples (default 1)
  --episodes N          episodes per task when it is evaluated, on layouts from seed 1000 (default 30)
  --validation N        episodes of each task that are recorded besides, never trained on, and whose L1 is printed every 100 steps:
                        what falls on the demonstrations and rises there is learnt by heart (default 0)
  --image-aug           augment the images, as upstream does
  --checkpoint N        evaluate after so many steps as well, on the first 20 layouts; can be given several times
  --before              evaluate the policy before training, too; of another robot, with the head that training begins with
  --threads N           threads of onnxruntime (default 2)
  --out FILE            write the trained checkpoint there as a zip, which the page and evaluate --adapter open`;

const args = parseArguments(USAGE, {
  options: {
    policy: { type: 'string', default: 'public/models/default' },
    robot: { type: 'string', default: 'gripper' },
    task: { type: 'string', multiple: true },
    demonstrations: { type: 'string', default: '20' },
    rehearsal: { type: 'string', default: String(REHEARSAL_EPISODES) },
    weight: { type: 'string', default: DEFAULTS.weight },
    steps: { type: 'string', default: DEFAULTS.steps },
    batch: { type: 'string', default: DEFAULTS.batch },
    'learning-rate': { type: 'string', default: DEFAULTS.learningRate },
    decay: { type: 'string', default: '0.7' },
    r: { type: 'string', default: '32' },
    episodes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    validation: { type: 'string', default: '0' },
    'image-aug': { type: 'boolean', default: false },
    checkpoint: { type: 'string', multiple: true },
    before: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const { values } = args;
const demonstrations = args.wholeNumber('demonstrations', 1);
const rehearsal = args.wholeNumber('rehearsal', 0);
const weight = args.wholeNumber('weight', 1);
const steps = args.wholeNumber('steps', 1);
const batchSize = args.wholeNumber('batch', 1);
const learningRate = args.positive('learning-rate');
const decay = args.share('decay');
const r = args.wholeNumber('r', 1);
const episodes = args.wholeNumber('episodes', 1);
const seed = args.wholeNumber('seed', 0);
const heldOut = args.wholeNumber('validation', 0);
const imageAug = values['image-aug'];
const threads = args.wholeNumber('threads', 1);
const robot = args.oneOf('robot', ROBOTS);
const ofTable = robot === 'gripper';
const tasks = (values.task ?? [ofTable ? FIRST_HELD_OUT : 'lift']).map((name) => taskOf(robot, name));
const [task] = tasks as [Task];
if (ofTable && tasks.length > 1) throw args.wrong('The table’s own robot is taught one task at a time.');
const opened = await openNodePolicy(values.policy, { threads });
const mujoco = await loadMujoco();
const cameras = await openNodeCameras();

let start = performance.now();
const record = (of: Task, count: number, tables: readonly Shown[] = [], from = seed) =>
  recordDemonstrations({
    mujoco,
    view: cameras.view,
    cameras: cameras.cameras,
    robot,
    task: of,
    episodes: count,
    seed: from,
    tables,
  });
const counts = sharedOut(demonstrations, tasks.length);
const own = await record(task, counts[0]!);
for (const [i, other] of tasks.entries())
  if (i > 0) own.episodes.push(...(await record(other, counts[i]!)).episodes);
const old = [];
for (const { task: name, episodes: count, sameTables } of ofTable && rehearsal > 0
  ? rehearsalFor(task.goals, rehearsal)
  : [])
  old.push(...(await record(taskNamed(name), count, sameTables ? own.episodes : [])).episodes);
const dataset = memoryDataset({
  ...own,
  episodes: [...own.episodes, ...old],
});
console.log(
  `${own.episodes.length} demonstrations and ${old.length} rehearsal episodes in ${((performance.now() - start) / 1000).toFixed(0)} s`,
);
const { policy, key, statistics, robotOwn } = await taughtPolicy();
const reading = {
  config: policy.config,
  tokenize: opened.tokenize,
  statistics,
  cameras: [...CAMERAS],
};
const train = new DemonstrationSource(dataset, {
  ...reading,
  weight: (index) => (index < own.episodes.length ? weight : 1),
});
const never = [];
for (const of of heldOut > 0 ? tasks : [])
  never.push(...(await record(of, heldOut, [], seed + HELD_OUT)).episodes);
const validation =
  never.length > 0 ? new DemonstrationSource(memoryDataset({ ...own, episodes: never }), reading) : null;
const lesson = {
  run: `teach-${task.name}`,
  policy,
  own: robotOwn,
  train,
  validation,
  statistics: { [key]: statistics },
};
const trainer = await lessonTrainer(lesson, opened, {
  steps,
  batchSize,
  learningRate,
  decayAfter: Math.round(steps * decay),
  r,
  seed,
  imageAug,
});
// What is trained begins as nothing (LoRA), or as chance (head and projector of another robot).
if (values.before) await evaluate('before');
start = performance.now();
const before = process.cpuUsage();
let l1 = 0;
while (!trainer.done) {
  const { step, loss } = await trainer.trainStep();
  l1 += loss;
  if (step % 50 === 0) {
    console.log(
      `step ${step}  L1 ${(l1 / 50).toFixed(4)}  ${((performance.now() - start) / step).toFixed(0)} ms a step, ${(cpuMs() / step).toFixed(0)} of two cores' time`,
    );
    l1 = 0;
  }
  if (validation && step % 100 === 0)
    console.log(`step ${step}  L1 of what it never saw ${(await trainer.validate())!.loss.toFixed(4)}`);
  if (values.checkpoint?.includes(String(step))) {
    const { user, system } = process.cpuUsage();
    await evaluate(`step ${step}, ${(cpuMs() / 60_000).toFixed(1)} min`, 20);
    const after = process.cpuUsage();
    before.user += after.user - user;
    before.system += after.system - system;
  }
}
const state = await trainer.trained();
trainer.dispose();
console.log(`trained in ${(cpuMs() / 60_000).toFixed(1)} minutes of two cores`);
policy.use(new LoadedAdapter(policy.runtime, policy.config, state));
if (values.out) await writeCheckpoint(values.out, state, opened);
await evaluate('after');
process.exit(0);

/** Half of the processor time since the training began, milliseconds: what two cores that do nothing else take at least. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 2000;
}

/** The policy as it is to be trained: itself, or over its weights one for another robot. */
async function taughtPolicy() {
  const base = opened.policy;
  if (ofTable) {
    const known = base.config.defaultUnnormKey;
    return { policy: base, key: known, statistics: base.config.statistics[known]!, robotOwn: null };
  }
  const { profile } = KINDS[robot];
  const measured = (await datasetStatistics(dataset)) as DatasetStatistics;
  const ownConfig: OwnConfig = { profile, head: 'l1', diffusion: null, film: false, centerCrop: imageAug };
  const config = adaptedConfig(base.config, { own: ownConfig, statistics: { [robot]: measured } });
  return {
    policy: await base.withConfig(config, opened.source),
    key: robot,
    statistics: measured,
    robotOwn: ownConfig,
  };
}

async function evaluate(label: string, most = episodes): Promise<void> {
  let sum = 0;
  for (const tested of ofTable ? [task, ...TRAINED_TASKS] : tasks) {
    const { rate } = await evaluateTask(tested, Math.min(most, episodes), 1000, {
      mujoco,
      cameras,
      robot,
      predict: opened.predictWith(policy),
    });
    if (tested !== task) sum += rate.rate;
    console.log(
      `${label} ${tested.name.padEnd(8)} ${(100 * rate.rate).toFixed(0)} % (${rate.successes} of ${rate.episodes})`,
    );
  }
  if (ofTable)
    console.log(`${label} mean of the trained tasks ${((100 * sum) / TRAINED_TASKS.length).toFixed(1)} %`);
}
