/**
 * `npm run teach -- --task can [--demonstrations 20] [--rehearsal 10] [--steps 400] [--batch 8] [--learning-rate 5e-4] [--out teach.zip]`
 *
 * Fine-tunes a policy with LoRA on the scripted expert's demonstrations of a task, in Node, and says how it does before and after, on that task
 * and on those it was trained on. What the page does, without a page: for finding settings.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { exportCheckpoint } from '../../src/model/finetune/export-checkpoint.ts';
import { DemonstrationSource } from '../../src/model/finetune/demonstrations.ts';
import { LoadedAdapter } from '../../src/model/finetune/loaded-adapter.ts';
import { initialParameters } from '../../src/model/finetune/parameters.ts';
import { DEFAULT_TRAINING, Trainer } from '../../src/model/finetune/trainer.ts';
import { zipBlob } from '../../src/model/weights/zip-folder.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { recordDemonstrations } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { TASKS, taskNamed, TRAINED_TASKS } from '../../src/practice/tasks.ts';
import { CAMERAS } from '../../src/practice/view.ts';
import { evaluateTask } from '../evaluate/evaluate-task.ts';
import { openNodePolicy } from '../evaluate/node-policy.ts';
import { openNodeCameras } from '../practice/node-cameras.ts';

const { values } = parseArgs({
  options: {
    policy: { type: 'string', default: 'public/models/default' },
    task: { type: 'string' },
    demonstrations: { type: 'string', default: '20' },
    /** Episodes of each trained task that are mixed in. */
    rehearsal: { type: 'string', default: '4' },
    /** How often a demonstration is drawn for each time a rehearsal episode is. */
    weight: { type: 'string', default: '1' },
    steps: { type: 'string', default: '300' },
    batch: { type: 'string', default: '8' },
    'learning-rate': { type: 'string', default: '5e-4' },
    decay: { type: 'string', default: '0.7' },
    r: { type: 'string', default: '32' },
    episodes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    before: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const task = taskNamed(values.task ?? TASKS.find(({ heldOut }) => heldOut)!.name);
const mujoco = await loadMujoco();
const cameras = await openNodeCameras();
const opened = await openNodePolicy(values.policy, { threads: Number(values.threads) });
const { policy } = opened;
const key = policy.config.defaultUnnormKey;
const seed = Number(values.seed);

const evaluate = async (label: string): Promise<void> => {
  let sum = 0;
  for (const tested of [task, ...TRAINED_TASKS]) {
    const { rate } = await evaluateTask(tested, Number(values.episodes), 1000, {
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
const record = (of: typeof task, episodes: number, from: number) =>
  recordDemonstrations({
    mujoco,
    view: cameras.view,
    cameras: cameras.cameras,
    task: of,
    episodes,
    seed: from,
  });
const own = await record(task, Number(values.demonstrations), seed);
const old = [];
for (const other of TRAINED_TASKS)
  if (Number(values.rehearsal) > 0)
    old.push(...(await record(other, Number(values.rehearsal), seed)).episodes);
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
  weight: (index) => (index < own.episodes.length ? Number(values.weight) : 1),
});
const r = Number(values.r);
const steps = Number(values.steps);
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
    batchSize: Number(values.batch),
    learningRate: Number(values['learning-rate']),
    numStepsBeforeDecay: Math.round(steps * Number(values.decay)),
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
