/** `npm run teach:dataset`: a policy is taught the robot of any dataset, without a page. */
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { TRAINABLE_HEADS } from '../../src/model/heads/index.ts';
import { openNodePolicy } from '../evaluate/node-policy.ts';
import { parseArguments } from '../node/arguments.ts';
import { registerDecoders } from '../node/decoders.ts';
import { openPlace } from '../node/disk-folder.ts';
import { refuseExisting } from '../node/write-files.ts';
import { writeCheckpoint } from './lesson.ts';
import { teachDataset } from './teach-dataset.ts';

const USAGE = `usage: npm run teach:dataset -- <dataset> [options]

Guesses the robot of a dataset, as the page does, and teaches it to a policy: a new head, a new proprio projector, LoRA on all
linear layers. Prints the loss beside that of predicting the mean, and ends with 1 where it is not below.

  <dataset>           a folder, a file, a zip, an address, or a Hub repository
  --head NAME         ${TRAINABLE_HEADS.join(', ')} (default l1)
  --policy FOLDER     policy package to start from (default public/models/default)
  --steps N           optimiser steps (default 100)
  --batch N           samples per step (default 8)
  --learning-rate X   (default 0.0005)
  --r N               LoRA rank (default 32); alpha is the rank, at most 16
  --seed N            seed of initial weights and order of samples (default 1)
  --threads N         threads of onnxruntime (default 2)
  --out FILE          write the trained checkpoint there as a zip, which the page opens`;

const args = parseArguments(USAGE, {
  allowPositionals: true,
  options: {
    head: { type: 'string', default: 'l1' },
    policy: { type: 'string', default: 'public/models/default' },
    steps: { type: 'string', default: '100' },
    batch: { type: 'string', default: '8' },
    'learning-rate': { type: 'string', default: '0.0005' },
    r: { type: 'string', default: '32' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
});
const [from] = args.exactly('<dataset>');
const { values } = args;
const head = args.oneOf('head', [...TRAINABLE_HEADS]);
const steps = args.wholeNumber('steps', 1);
const batchSize = args.wholeNumber('batch', 1);
const learningRate = args.positive('learning-rate');
const r = args.wholeNumber('r', 1);
const seed = args.wholeNumber('seed', 0);
const threads = args.wholeNumber('threads', 1);
if (values.out) refuseExisting(values.out, 'Name another file.');

await registerDecoders();
const dataset = await openDataset(await openPlace(from));
const opened = await openNodePolicy(values.policy, { threads });
let sum = 0;
const taught = await teachDataset(dataset, opened, {
  head,
  steps,
  batchSize,
  learningRate,
  r,
  seed,
  onStep: (step, loss) => {
    sum += loss;
    if (step % 10 > 0) return;
    console.log(`step ${String(step).padStart(4)}  loss ${(sum / 10).toFixed(4)}`);
    sum = 0;
  },
});
const { profile, samples, loss, lossOfMean, msPerStep, predicted, state } = taught;
const units = profile.actions.map(({ name, unit }) => `${name} [${unit || '-'}]`).join(', ');
console.log(
  `${dataset.name}: ${profile.actions.length} actions at ${profile.controlHz} Hz, chunks of ${profile.chunkSize}, ` +
    `${profile.images.length} images, ${samples} samples`,
);
console.log(
  `first action predicted of ${units}: ${predicted[0]!.map((value) => value.toFixed(3)).join(', ')}`,
);
if (values.out) await writeCheckpoint(values.out, state, opened);
console.log(
  `${head}: loss ${loss.toFixed(4)} over the last fifth of ${steps} steps` +
    `${lossOfMean === null ? '' : `, of predicting the mean ${lossOfMean.toFixed(4)}`}; ${msPerStep.toFixed(0)} ms a step`,
);
if (lossOfMean === 0) console.log('Every action of the dataset is the same: its mean cannot be improved on.');
await dataset.close();
process.exit(lossOfMean === 0 || lossOfMean === null || loss < lossOfMean ? 0 : 1);
