/** `npm run pretrain:export`: a pretraining run → a policy package. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../../src/base/errors.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { parseArguments } from '../node/arguments.ts';
import { exportRun } from './export.ts';
import { readStatistics } from './statistics.ts';

const USAGE = `usage: npm run pretrain:export -- [options]

Writes the averaged weights of a pretraining run, at its last saved step, as a policy package.

  --run FOLDER    what npm run pretrain saved (default .pretrain/run)
  --out FOLDER    folder of the package; replaced, but for its README.md (default public/models/default)
  --bits N        bits the weights are stored with: 4, 8, 16 or 32 (default 8)
  --seed N        the run's seed (default 1)`;

const args = parseArguments(USAGE, {
  options: {
    run: { type: 'string', default: '.pretrain/run' },
    out: { type: 'string', default: 'public/models/default' },
    bits: { type: 'string', default: '8' },
    seed: { type: 'string', default: '1' },
  },
});
const { run, out } = args.values;
const bits = Number(args.oneOf('bits', ['4', '8', '16', '32'])) as Bits;
const seed = args.wholeNumber('seed', 0);
const statistics = join(run, 'statistics.json');
if (!existsSync(statistics))
  throw new ModelError(
    'bad-input',
    `There is no run in ${run}: it has no statistics.json.`,
    'Run npm run pretrain first.',
  );

const step = await exportRun({
  run,
  out,
  bits,
  seed,
  statistics: readStatistics(statistics),
  description: 'A small policy of OpenVLA-OFT’s architecture, trained from scratch on the practice table.',
});
console.log(`${out}: step ${step}, ${bits} bits`);
