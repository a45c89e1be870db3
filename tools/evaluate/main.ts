/** `npm run evaluate`: success of a policy on the practice table, closed loop, per task with a 95 % interval. */
import { writeFileSync } from 'node:fs';
import { EPISODES } from '../../src/practice/episode-length.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { successRate } from '../../src/practice/success-rate.ts';
import { KINDS } from '../../src/practice/open-world.ts';
import { TASKS, taskOf, tasksOf } from '../../src/practice/tasks.ts';
import { ROBOTS } from '../../src/practice/world.ts';
import { parseArguments } from '../node/arguments.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';
import { openPageEvaluation, TRIALS } from './in-page.ts';
import { ModelError } from '../../src/base/errors.ts';
import { openNodePolicy } from './node-policy.ts';
import { ABLATIONS } from './ablation.ts';
import { evaluateTask } from './evaluate-task.ts';
import { expertRate } from './expert-rate.ts';

const USAGE = `usage: npm run evaluate -- [options]

Lets a policy do the tasks of the practice table, closed loop, and prints each task's success rate with its 95 % interval.

  --robot NAME          who stands at the table: ${ROBOTS.join(', ')} (default gripper, which the shipped policy moves)
  --expert              let the scripted expert do it instead of a policy
  --task NAME           one of ${TASKS.map(({ name }) => name).join(', ')};
                        so101: ${tasksOf('so101')
                          .map(({ name }) => name)
                          .join(', ')};
                        can be given several times (default: all of them)
  --episodes N          episodes of each task; in the page a multiple of ${TRIALS} (default 100)
  --seed N              seed of the first episode's layout, the next ones count up from it (default 1000)
  --policy FOLDER       policy package (default public/models/default)
  --adapter FILE        checkpoint zip of a fine-tuning, applied to the policy (default: none)
  --execute N           actions carried out of each predicted chunk (default ${ROBOTS.map((name) => `${EPISODES[name].executed} for ${name}`).join(', ')})
  --latency N           periods that a prediction takes while the robot goes on, as in the page's real time; 0 (default) for a
                        table that waits
  --threads N           threads of onnxruntime (default: as many as it chooses)
  --ablation KIND       what the policy does without: ${ABLATIONS.join(', ')} (default none); "instruction" tells
                        it a goal of the same task at random, "images" shows it grey
  --page                run the shipped policy in the built page in Chromium instead of Node; there only --robot,
                        --adapter, --task, --episodes, --seed and --json count
  --json FILE           write options and results there, with the seeds of the failed episodes`;

const args = parseArguments(USAGE, {
  options: {
    robot: { type: 'string', default: 'gripper' },
    expert: { type: 'boolean', default: false },
    policy: { type: 'string', default: 'public/models/default' },
    adapter: { type: 'string' },
    task: { type: 'string', multiple: true },
    episodes: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1000' },
    execute: { type: 'string' },
    latency: { type: 'string', default: '0' },
    threads: { type: 'string' },
    ablation: { type: 'string', default: 'none' },
    page: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const { values } = args;
const episodes = args.wholeNumber('episodes', 1);
const firstSeed = args.wholeNumber('seed', 0);
const execute = args.wholeNumber('execute', 1);
const latency = args.wholeNumber('latency', 0);
const threads = args.wholeNumber('threads', 1);
const ablation = args.oneOf('ablation', ABLATIONS);
if (values.page && episodes % TRIALS !== 0)
  throw args.wrong(
    `--episodes is "${episodes}"; in the page it has to be a multiple of ${TRIALS}, such as ${TRIALS * Math.ceil(episodes / TRIALS)}.`,
  );
const robot = args.oneOf('robot', ROBOTS);
if (values.page && robot !== 'gripper' && !values.adapter)
  throw args.wrong(
    `In the page nothing moves the robot "${robot}" before it was taught: name the checkpoint zip with --adapter.`,
  );
const tasks = values.task ? values.task.map((name) => taskOf(robot, name)) : tasksOf(robot);

await (values.page ? inPage() : values.expert ? withExpert() : inNode());
// Dawn keeps a process alive.
process.exit(0);

async function inPage(): Promise<void> {
  const evaluation = await openPageEvaluation({ adapter: values.adapter, robot });
  const results = [];
  for (const task of tasks) {
    const outcomes = await evaluation.run(task.name, firstSeed, episodes);
    const rate = successRate([...outcomes.values()].filter(Boolean).length, episodes);
    const failed = [...outcomes].filter(([, success]) => !success).map(([seed]) => seed);
    console.log(
      `${task.name.padEnd(8)} ${task.heldOut ? 'held out' : 'trained '}  ${percent(rate.rate).padStart(5)}  (${percent(rate.low)} … ${percent(rate.high)})  in the page`,
    );
    results.push({ task: task.name, heldOut: task.heldOut, ...rate, failed });
  }
  await evaluation.close();
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...values, results }, null, 2)}\n`);
}

/** What the expert manages is the most that can be learnt of it; it sees the physics, so nothing is drawn. */
async function withExpert(): Promise<void> {
  const mujoco = await loadMujoco();
  const results = [];
  for (const task of tasks) {
    const { rate, steps, failed } = expertRate(mujoco, robot, task, episodes, firstSeed);
    console.log(
      `${task.name.padEnd(8)} ${percent(rate.rate).padStart(5)}  (${percent(rate.low)} … ${percent(rate.high)})  ${rate.successes} of ${episodes}, ${steps === null ? '–' : steps.toFixed(0)} actions${failed.length > 0 ? `, failed: ${failed.join(', ')}` : ''}`,
    );
    results.push({ task: task.name, ...rate, failed });
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...values, results }, null, 2)}\n`);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(0)} %`;
}

async function inNode(): Promise<void> {
  const policy = await openNodePolicy(values.policy, {
    ...(values.adapter ? { adapter: values.adapter } : {}),
    ...(threads ? { threads } : {}),
  });
  const { actions, state, images } = policy.policy.config.profile;
  const { profile } = KINDS[robot];
  const found = [actions.length, state?.length ?? 0, images.length];
  const needed = [profile.actions.length, profile.state?.length ?? 0, profile.images.length];
  if (found.join() !== needed.join()) {
    throw new ModelError(
      'bad-input',
      `This policy is for another robot: ${found[0]} action values, a state of ${found[1]}, ${found[2]} images; the ${profile.name} has ${needed.join(', ')}.`,
      'Evaluate one that was trained for it, or name its --robot.',
    );
  }
  const mujoco = await loadMujoco();
  const cameras = await openNodeCameras();
  const results = [];
  for (const task of tasks) {
    const start = performance.now();
    const { rate, steps, failed } = await evaluateTask(task, episodes, firstSeed, {
      mujoco,
      cameras,
      predict: policy.predict,
      robot,
      ...(execute ? { execute } : {}),
      ablation,
      latency,
    });
    console.log(
      `${task.name.padEnd(8)} ${task.heldOut ? 'held out' : 'trained '}  ${percent(rate.rate).padStart(5)}  (${percent(rate.low)} … ${percent(rate.high)})  ` +
        `${rate.successes} of ${episodes}, ${steps === null ? '–' : steps.toFixed(0)} actions, ${((performance.now() - start) / 1000).toFixed(0)} s`,
    );
    results.push({ task: task.name, heldOut: task.heldOut, ...rate, failed });
  }
  const trained = results.filter(({ heldOut }) => !heldOut);
  if (trained.length > 1) {
    const mean = trained.reduce((sum, { rate }) => sum + rate, 0) / trained.length;
    console.log(`mean of ${trained.length} trained tasks: ${(100 * mean).toFixed(1)} %`);
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...values, results }, null, 2)}\n`);
  policy.dispose();
  cameras.release();
}
