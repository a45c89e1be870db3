/** `npm run teach`: what the page's fine-tuning on the practice table does, without a page, for finding settings. */
import { writeFile } from 'node:fs/promises';
import { EXPERT_OPTIONS } from '../../src/app/finetune/expert-options.ts';
import { exportCheckpoint } from '../../src/model/finetune/export-checkpoint.ts';
import { DemonstrationSource } from '../../src/model/finetune/demonstrations.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { initialParameters } from '../../src/model/finetune/parameters.ts';
import { DEFAULT_TRAINING, Trainer } from '../../src/model/finetune/trainer.ts';
import { zipBlob } from '../../src/model/weights/zip-folder.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { recordDemonstrations, type Shown } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { REHEARSAL_EPISODES, rehearsalFor } from '../../src/practice/rehearsal.ts';
import { TASKS, taskNamed, TRAINED_TASKS } from '../../src/practice/tasks.ts';
import { CAMERAS } from '../../src/practice/view.ts';
import { evaluateTask } from '../evaluate/evaluate-task.ts';
import { openNodePolicy } from '../evaluate/node-policy.ts';
import { parseArguments } from '../node/arguments.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';

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

  --task NAME           one of ${TASKS.map(({ name }) => name).join(', ')} (default ${FIRST_HELD_OUT})
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
  --before              evaluate the policy before training, too
  --threads N           threads of onnxruntime (default 2)
  --out FILE            write the trained checkpoint there as a zip, which the page and evaluate --adapter open`;

const args = parseArguments(USAGE, {
  options: {
    policy: { type: 'string', default: 'public/models/default' },
    task: { type: 'string', default: FIRST_HELD_OUT },
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
const threads = args.wholeNumber('threads', 1);
const task = taskNamed(values.task);
const opened = await openNodePolicy(values.policy, { threads });
const mujoco = await loadMujoco();
const cameras = await openNodeCameras();
const { policy } = opened;
const key = policy.config.defaultUnnormKey;

const evaluate = async (label: string): Promise<void> => {
  let sum = 0;
  for (const tested of [task, ...TRAINED_TASKS]) {
    const { rate } = await evaluateTask(tested, episodes, 1000, {
      mujoco,
      cameras,
      predict: opened.predict,
    });
    if (tested !== task) sum += rate.rate;
    console.log(`${label} ${tested.name.padEnd(8)} ${(100 * rate.rate).toFixed(0)} %`);
  }
  console.log(`${label} mean of the trained tasks ${((100 * sum) / TRAINED_TASKS.length).toFixed(1)} %`);
};
if (values.before) await evaluate('before');

let start = performance.now();
const record = (of: typeof task, count: number, tables: readonly Shown[] = []) =>
  recordDemonstrations({
    mujoco,
    view: cameras.view,
    cameras: cameras.cameras,
    task: of,
    episodes: count,
    seed,
    tables,
  });
const own = await record(task, demonstrations);
const old = [];
for (const { task: name, episodes: count, sameTables } of rehearsal > 0
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
const train = new DemonstrationSource(dataset, {
  config: policy.config,
  tokenize: opened.tokenize,
  statistics: policy.config.statistics[key]!,
  cameras: [...CAMERAS],
  weight: (index) => (index < own.episodes.length ? weight : 1),
});
const trainer = new Trainer({
  run: `teach-${task.name}`,
  policy,
  parameters: await initialParameters(policy.config, opened.source, {
    lora: { r, alpha: Math.min(r, 16), dropout: 0, targets: 'all-linear' },
    freshModules: false,
    seed,
  }),
  train,
  validation: null,
  options: {
    ...DEFAULT_TRAINING,
    seed,
    maxSteps: steps,
    batchSize,
    learningRate,
    numStepsBeforeDecay: Math.round(steps * decay),
    imageAug: false,
    maxGradNorm: 1,
  },
  statistics: { [key]: policy.config.statistics[key] },
});
start = performance.now();
let l1 = 0;
while (!trainer.done) {
  const { step, loss } = await trainer.trainStep();
  l1 += loss;
  if (step % 50 === 0) {
    console.log(
      `step ${step}  L1 ${(l1 / 50).toFixed(4)}  ${((performance.now() - start) / step).toFixed(0)} ms a step`,
    );
    l1 = 0;
  }
}
const state = await trainer.trained();
trainer.dispose();
policy.use(new LoadedAdapter(policy.runtime, policy.config, state));
await evaluate('after');
if (values.out) {
  const folder = exportCheckpoint(state, {
    config: policy.config,
    source: opened.source,
    name: 'practice',
    tokenizer: new TextEncoder().encode(JSON.stringify(opened.tokenizer)),
  });
  await writeFile(values.out, new Uint8Array(await (await zipBlob(folder)).arrayBuffer()));
}
process.exit(0);
