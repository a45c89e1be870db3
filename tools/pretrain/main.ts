/**
 * `npm run pretrain [-- --steps 16000 --decay 4000 --batch 32 --threads 2 --seed 1 --run .pretrain/run] [--from public/models/default]`
 *
 * Trains every weight of the practice policy on the data of `npm run pretrain:data`, one thread per core, in float32. A run that is stopped
 * goes on where it was saved; the log is appended to `log.jsonl`.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { sizeOf } from '../../src/model/graph/types.ts';
import { decodeFloat32 } from '../../src/model/weights/encoding.ts';
import { openPackageFolder } from '../node/package-folder.ts';
import { restoreRun, saveRun } from './checkpoint.ts';
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { initialPolicy, practiceConfig, UNNORM_KEY } from './practice-policy.ts';
import { sharedMemory } from './shared.ts';
import { readStatistics, statisticsOf } from './statistics.ts';
import { trainedLayout } from './layout.ts';
import type { ThreadData, ThreadMessage } from './thread.ts';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '16000' },
    decay: { type: 'string', default: '4000' },
    batch: { type: 'string', default: '32' },
    threads: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string', default: '1' },
    'learning-rate': { type: 'string', default: '1e-3' },
    'save-every': { type: 'string', default: '500' },
    data: { type: 'string', default: '.pretrain/data' },
    run: { type: 'string', default: '.pretrain/run' },
    /** A policy package whose weights a new run starts from; the auxiliary heads start anew. */
    from: { type: 'string' },
  },
});
const seed = Number(values.seed);
const threads = Number(values.threads);
if (Number(values.batch) % threads !== 0)
  throw new RangeError(`--batch ${values.batch} does not divide by ${threads} threads.`);
const files = (existsSync(values.data) ? readdirSync(values.data) : [])
  .filter((file) => file.endsWith('.bin'))
  .toSorted()
  .map((file) => join(values.data, file));
if (files.length === 0) throw new Error(`${values.data} has no data: run npm run pretrain:data first.`);
mkdirSync(values.run, { recursive: true });
const statistics = join(values.run, 'statistics.json');
const given = values.from === undefined ? null : await openPackageFolder(values.from);
if (!existsSync(statistics)) {
  // Weights that were trained with some statistics go on with them.
  const kept = given && parsePolicyConfig(given.manifest.config).statistics[UNNORM_KEY];
  writeFileSync(statistics, JSON.stringify(kept ?? statisticsOf(files)));
}

const config = practiceConfig(readStatistics(statistics));
const initial = initialPolicy(config, seed);
const layout = trainedLayout(config, initial);
const count = layout.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
const memory = sharedMemory(threads, count);
for (const { name, start } of layout) {
  const stored = given?.names.includes(name) ? await given.load(name) : null;
  const data = stored ? decodeFloat32(stored) : initial.get(name)!.data;
  for (const buffer of [memory.parameter, memory.average]) new Float32Array(buffer).set(data, start);
}
const firstStep = restoreRun(values.run, memory);
console.log(
  `${(count / 1e6).toFixed(2)} M trained weights, ${threads} threads, ${files.length} files; from step ${firstStep} to ${values.steps}`,
);

const options = {
  seed,
  batch: Number(values.batch),
  steps: Number(values.steps),
  decaySteps: Number(values.decay),
  learningRate: Number(values['learning-rate']),
  saveEvery: Number(values['save-every']),
};
const start = performance.now();
const sums = { loss: 0, l1: 0, steps: 0 };
const workers = Array.from({ length: threads }, (_, index) => {
  const workerData: ThreadData = { index, memory, layout, firstStep, options, files, statistics };
  const worker = new Worker(new URL('../node/run.mjs', import.meta.url), {
    argv: ['tools/pretrain/thread.ts'],
    workerData,
  });
  worker.on('error', (error) => {
    throw error;
  });
  return worker;
});
workers[0]!.on('message', (message: ThreadMessage) => {
  if (message.kind === 'save') {
    saveRun(values.run, message.step, memory);
    workers[0]!.postMessage('saved');
    return;
  }
  sums.loss += message.loss;
  sums.l1 += message.l1;
  sums.steps++;
  if (message.step % 100 !== 0) return;
  const seconds = (performance.now() - start) / 1000;
  const rate = ((message.step - firstStep) * options.batch) / seconds;
  const line = {
    step: message.step,
    samples: message.step * options.batch,
    loss: sums.loss / sums.steps,
    l1: sums.l1 / sums.steps,
    norm: message.norm,
    learningRate: message.learningRate,
    samplesPerSecond: rate,
  };
  appendFileSync(join(values.run, 'log.jsonl'), `${JSON.stringify(line)}\n`);
  const left = ((options.steps - message.step) * options.batch) / rate / 60;
  console.log(
    `step ${line.step}  loss ${line.loss.toFixed(4)}  L1 ${line.l1.toFixed(4)}  norm ${line.norm.toFixed(2)}  ` +
      `${rate.toFixed(0)} samples/s  ${left.toFixed(0)} min left`,
  );
  Object.assign(sums, { loss: 0, l1: 0, steps: 0 });
});
