/**
 * `npm run evaluate -- [--policy public/models/default] [--task plate] [--episodes 100] [--seed 1000] [--execute 4] [--ablation none] [--page] [--json out.json]`
 *
 * Success of a policy on the practice table, closed loop, per task with a 95 % interval. Without `--task` every task is run.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ModelError } from '../../src/model/errors.ts';
import { EXECUTED } from '../../src/practice/evaluate.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { successRate } from '../../src/practice/success-rate.ts';
import { taskNamed, TASKS, type Task } from '../../src/practice/tasks.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';
import { openPageEvaluation, TRIALS } from './in-page.ts';
import { openNodePolicy } from './node-policy.ts';
import { ABLATIONS } from './ablation.ts';
import { evaluateTask } from './evaluate-task.ts';

const { values } = parseArgs({
  options: {
    policy: { type: 'string', default: 'public/models/default' },
    adapter: { type: 'string' },
    task: { type: 'string', multiple: true },
    episodes: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1000' },
    execute: { type: 'string', default: String(EXECUTED) },
    threads: { type: 'string' },
    ablation: { type: 'string', default: 'none' },
    /** In the built page in Chromium instead of Node; the shipped policy only. */
    page: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

try {
  await main();
} catch (error) {
  if (!(error instanceof ModelError)) throw error;
  console.error(`${error.message} ${error.hint}`.trim());
  process.exit(1);
}
// Dawn keeps a process alive.
process.exit(0);

async function inPage(tasks: readonly Task[], episodes: number): Promise<void> {
  if (episodes % TRIALS !== 0)
    throw new ModelError(
      'bad-input',
      `In the page episodes come in lots of ${TRIALS}.`,
      `Use --episodes ${TRIALS * Math.ceil(episodes / TRIALS)}.`,
    );
  const evaluation = await openPageEvaluation();
  const results = [];
  for (const task of tasks) {
    const outcomes = await evaluation.run(task.name, Number(values.seed), episodes);
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

function percent(value: number): string {
  return `${(100 * value).toFixed(0)} %`;
}

async function main(): Promise<void> {
  const tasks = values.task ? values.task.map(taskNamed) : TASKS;
  const episodes = Number(values.episodes);
  const ablation = ABLATIONS.find((name) => name === values.ablation);
  if (!ablation) throw new ModelError('bad-input', `--ablation is one of ${ABLATIONS.join(', ')}.`);
  if (values.page) {
    await inPage(tasks, episodes);
    return;
  }
  const mujoco = await loadMujoco();
  const cameras = await openNodeCameras();
  const policy = await openNodePolicy(values.policy, {
    ...(values.adapter ? { adapter: values.adapter } : {}),
    ...(values.threads ? { threads: Number(values.threads) } : {}),
  });
  const results = [];
  for (const task of tasks) {
    const start = performance.now();
    const { rate, steps, failed } = await evaluateTask(task, episodes, Number(values.seed), {
      mujoco,
      cameras,
      predict: policy.predict,
      execute: Number(values.execute),
      ablation,
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
