/** `npm run bench:teach`: a held-out task is taught in the built page, in a real Chromium, and tried before and after. */
import { goTo } from '../../e2e/studio.ts';
import { TASKS, taskOf, tasksOf, TRAINED_TASKS, type Task } from '../../src/practice/tasks.ts';
import { ROBOTS } from '../../src/practice/world.ts';
import { openPageEvaluation, TRIALS, type PageEvaluation } from '../evaluate/in-page.ts';
import { parseArguments } from '../node/arguments.ts';

const USAGE = `usage: npm run bench:teach -- [options]

In the built page, in Chromium: the scripted expert demonstrates a task, the policy is fine-tuned on it with LoRA, and both
that task and the trained ones are tried on layouts never seen, before and after. Another robot than the table's own is
taught from nothing, and what it was taught is tried afterwards; before, the page lets no policy of another robot move it.

  --robot NAME            ${ROBOTS.join(' or ')} (default gripper)
  --task NAME             one of ${TASKS.map(({ name }) => name).join(', ')} (default can); of so101
                          ${tasksOf('so101')
                            .map(({ name }) => name)
                            .join(
                              ', ',
                            )}, can be given several times (default reach and lift): the demonstrations are shared out
  --demonstrations N      episodes to record (default 20, of so101 50)
  --steps N               optimiser steps (default: what the page offers)
  --episodes N            trials of the task, rounded up to lots of ${TRIALS} (default 60)
  --trained-episodes N    trials of each trained task, likewise (default 20)
  --seed N                seed of the first trial's layout (default 1000)
  --all-before            try the trained tasks before, too; without it their rates are the model card's`;

const args = parseArguments(USAGE, {
  options: {
    robot: { type: 'string', default: 'gripper' },
    task: { type: 'string', multiple: true },
    steps: { type: 'string' },
    demonstrations: { type: 'string' },
    episodes: { type: 'string', default: '60' },
    'trained-episodes': { type: 'string', default: '20' },
    seed: { type: 'string', default: '1000' },
    'all-before': { type: 'boolean', default: false },
  },
});
const { values } = args;
const steps = args.wholeNumber('steps', 1);
const episodes = args.wholeNumber('episodes', 1);
const trainedEpisodes = args.wholeNumber('trained-episodes', 1);
const seed = args.wholeNumber('seed', 0);
const robot = args.oneOf('robot', ROBOTS);
const ofTable = robot === 'gripper';
const demonstrations = args.wholeNumber('demonstrations', 1) ?? (ofTable ? 20 : 50);
const tasks = (values.task ?? (ofTable ? ['can'] : ['reach', 'lift'])).map((name) => taskOf(robot, name));
const [task] = tasks as [Task];
if (ofTable && tasks.length > 1) throw args.wrong('The table’s own robot is taught one task at a time.');
const evaluation = await openPageEvaluation();
const { page } = evaluation;
const before = ofTable
  ? await rates(evaluation, values['all-before'] ? [task, ...TRAINED_TASKS] : [task])
  : null;
if (before) print('before', before);
else {
  await page.getByLabel('Robot', { exact: true }).selectOption(robot);
  const refused = page.getByText(/another robot|active model is for/).first();
  console.log(`before: ${await refused.textContent()}`);
}

const teach = page.getByRole('region', { name: 'Fine-tune' });
let start = performance.now();
await goTo(page, 'Demonstrations');
await page.getByRole('tab', { name: 'Auto-generate' }).click();
if (ofTable) await page.getByLabel('Task to show').selectOption(task.name);
else {
  for (const { name } of tasksOf(robot)) {
    const shown = page.getByRole('group', { name: 'Tasks to show' }).getByLabel(new RegExp(`^${name}:`));
    await shown.setChecked(tasks.some((one) => one.name === name));
  }
}
await page.getByRole('spinbutton', { name: 'Demonstrations' }).fill(String(demonstrations));
await page.getByRole('button', { name: 'Record demonstrations' }).click();
await page.getByRole('heading', { name: 'Episodes' }).waitFor({ timeout: 600_000 });
console.log(`recorded in ${seconds(start)} s`);
await goTo(page, 'Fine-tune');
const startTraining = teach.getByRole('button', { name: 'Start training' });
await startTraining.waitFor();
if (steps) await teach.getByLabel(/^Steps max_steps/).fill(String(steps));
await teach.getByLabel('Compare before and after when it is done').uncheck();
start = performance.now();
await startTraining.click();
await teach.getByRole('status').filter({ hasText: 'Done' }).waitFor({ timeout: 3_600_000 });
console.log(
  `trained in ${seconds(start)} s (aim ${ofTable ? 600 : 900}): ${await teach.getByText(/^done, /).textContent()}`,
);

await goTo(page, 'Run');
const after = await rates(evaluation, ofTable ? [task, ...TRAINED_TASKS] : tasks);
print('after', after);
if (before) printForgotten(before);
await evaluation.close();

function printForgotten(known: ReadonlyMap<string, number>): void {
  const trainedBefore = values['all-before'] ? percent(trainedMean(known)) : 'the model card’s';
  console.log(
    `${task.name}: ${percent(known.get(task.name)!)} → ${percent(after.get(task.name)!)} (aim 90 %); ` +
      `trained tasks: ${trainedBefore} → ${percent(trainedMean(after))} (aim: at most 5 points less)`,
  );
}

function trainedMean(of: ReadonlyMap<string, number>): number {
  return TRAINED_TASKS.reduce((sum, { name }) => sum + of.get(name)!, 0) / TRAINED_TASKS.length;
}

async function rates(of: PageEvaluation, tried: readonly { name: string }[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { name } of tried) {
    const outcomes = await of.run(
      name,
      seed,
      tasks.some((one) => one.name === name) ? episodes : trainedEpisodes,
    );
    found.set(name, [...outcomes.values()].filter(Boolean).length / outcomes.size);
  }
  return found;
}

function print(label: string, of: ReadonlyMap<string, number>): void {
  console.log(`${label}: ${[...of].map(([name, rate]) => `${name} ${percent(rate)}`).join(', ')}`);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(0)} %`;
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}
