/**
 * `npm run pretrain`: trains every weight of the practice policy, one thread per core, in float32. A run that is stopped goes on where it
 * was saved; the log is appended to `log.jsonl`.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ModelError } from '../../src/base/errors.ts';
import { sizeOf } from '../../src/model/graph/types.ts';
import { decodeFloat32 } from '../../src/model/weights/encoding.ts';
import { parseArguments } from '../node/arguments.ts';
import { openPackageFolder } from '../node/package-folder.ts';
import { restoreRun, saveRun } from './checkpoint.ts';
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { initialPolicy, practiceConfig, UNNORM_KEY } from './practice-policy.ts';
import { sharedMemory } from './shared.ts';
import { readStatistics, statisticsOf } from './statistics.ts';
import { trainedLayout } from './layout.ts';
import type { ThreadData, ThreadMessage, TrainOptions } from './thread.ts';

const USAGE = `usage: npm run pretrain -- [options]

Trains every weight of the practice policy on the data of npm run pretrain:data, in float32. A run that was stopped goes on
where it was saved; give it the same options.

  --steps N             optimiser steps of the whole run (default 16000)
  --decay N             of these, the last ones in which the learning rate falls to 0 (default 4000)
  --learning-rate X     after the warm-up (default 1e-3)
  --batch N             samples per step, a multiple of the threads (default 32)
  --threads N           training threads (default: one per core, here ${availableParallelism()})
  --seed N              seed of initial weights and order of samples (default 1)
  --data FOLDER         what npm run pretrain:data made; may be given several times (default .pretrain/data)
  --run FOLDER          where the run is saved, with its log (default .pretrain/run)
  --save-every N        steps between saves (default 500)
  --from FOLDER         policy package whose weights a new run starts from; auxiliary heads start anew (default: none)`;

const args = parseArguments(USAGE, {
  options: {
    steps: { type: 'string', default: '16000' },
    decay: { type: 'string', default: '4000' },
    batch: { type: 'string', default: '32' },
    threads: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string', default: '1' },
    'learning-rate': { type: 'string', default: '1e-3' },
    'save-every': { type: 'string', default: '500' },
    data: { type: 'string', multiple: true, default: ['.pretrain/data'] },
    run: { type: 'string', default: '.pretrain/run' },
    from: { type: 'string' },
  },
});
const { values } = args;
const seed = args.wholeNumber('seed', 0);
const threads = args.wholeNumber('threads', 1);
const options: TrainOptions = {
  seed,
  batch: args.wholeNumber('batch', 1),
  steps: args.wholeNumber('steps', 1),
  decaySteps: args.wholeNumber('decay', 0),
  learningRate: args.positive('learning-rate'),
  saveEvery: args.wholeNumber('save-every', 1),
};
if (options.batch % threads !== 0)
  throw args.wrong(`--batch is "${values.batch}"; it has to be a multiple of the ${threads} threads.`);
const files = values.data.flatMap(filesIn);
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
  `${(count / 1e6).toFixed(2)} M trained weights, ${threads} threads, ${files.length} files; from step ${firstStep} to ${options.steps}`,
);

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

function filesIn(folder: string): string[] {
  const names = (existsSync(folder) ? readdirSync(folder) : []).filter((file) => file.endsWith('.bin'));
  if (names.length === 0)
    throw new ModelError('bad-input', `${folder} has no data.`, 'Run npm run pretrain:data first.');
  return names.toSorted().map((file) => join(folder, file));
}
