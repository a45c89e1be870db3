/**
 * `npm run bench:teach -- [--task can] [--steps 800] [--episodes 60] [--trained-episodes 20]`
 *
 * In the built page, in a real Chromium: the expert demonstrates a held-out task twenty times, the policy is fine-tuned on it with LoRA, and both
 * are tried on layouts never seen: before, after, and what it cost the trained tasks.
 */
import { parseArgs } from 'node:util';
import { goTo } from '../../e2e/studio.ts';
import { TRAINED_TASKS, taskNamed } from '../../src/practice/tasks.ts';
import { openPageEvaluation, type PageEvaluation } from '../evaluate/in-page.ts';

const { values } = parseArgs({
  options: {
    task: { type: 'string', default: 'can' },
    steps: { type: 'string' },
    demonstrations: { type: 'string', default: '20' },
    /** Of the task that is taught, and of each trained one; in lots of 20. */
    episodes: { type: 'string', default: '60' },
    'trained-episodes': { type: 'string', default: '20' },
    seed: { type: 'string', default: '1000' },
    /** Without it only the task itself is tried before: the trained tasks' rates are the model card's. */
    'all-before': { type: 'boolean', default: false },
  },
});
const task = taskNamed(values.task);
const evaluation = await openPageEvaluation();
const before = await rates(evaluation, values['all-before'] ? [task, ...TRAINED_TASKS] : [task]);
print('before', before);

const { page } = evaluation;
const teach = page.getByRole('region', { name: 'Fine-tune' });
let start = performance.now();
await goTo(page, 'Demonstrations');
await page.getByRole('tab', { name: 'Let the expert show it' }).click();
await page.getByLabel('Task to show').selectOption(task.name);
await page.getByRole('spinbutton', { name: 'Demonstrations' }).fill(values.demonstrations);
await page.getByRole('button', { name: 'Record demonstrations' }).click();
await page.getByRole('heading', { name: 'Episodes' }).waitFor({ timeout: 600_000 });
console.log(`recorded in ${seconds(start)} s`);
await goTo(page, 'Fine-tune');
const startTraining = teach.getByRole('button', { name: 'Start training' });
await startTraining.waitFor();
if (values.steps) await teach.getByLabel(/^Steps max_steps/).fill(values.steps);
start = performance.now();
await startTraining.click();
await teach.getByRole('status').filter({ hasText: 'Done' }).waitFor({ timeout: 3_600_000 });
console.log(`trained in ${seconds(start)} s (aim 600): ${await teach.getByText(/^done, /).textContent()}`);

await goTo(page, 'Run');
const after = await rates(evaluation, [task, ...TRAINED_TASKS]);
print('after', after);
const mean = (of: ReadonlyMap<string, number>) =>
  TRAINED_TASKS.reduce((sum, { name }) => sum + of.get(name)!, 0) / TRAINED_TASKS.length;
const trainedBefore = values['all-before'] ? percent(mean(before)) : 'the model card’s';
console.log(
  `${task.name}: ${percent(before.get(task.name)!)} → ${percent(after.get(task.name)!)} (aim 90 %); ` +
    `trained tasks: ${trainedBefore} → ${percent(mean(after))} (aim: at most 5 points less)`,
);
await evaluation.close();

async function rates(of: PageEvaluation, tasks: readonly { name: string }[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { name } of tasks) {
    const episodes = name === task.name ? values.episodes : values['trained-episodes'];
    const outcomes = await of.run(name, Number(values.seed), Number(episodes));
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
