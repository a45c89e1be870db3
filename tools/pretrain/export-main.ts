/** `npm run pretrain:export [-- --run .pretrain/run --out public/models/default --bits 8 --seed 1]` */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { exportRun } from './export.ts';
import { readStatistics } from './statistics.ts';

const { values } = parseArgs({
  options: {
    run: { type: 'string', default: '.pretrain/run' },
    out: { type: 'string', default: 'public/models/default' },
    bits: { type: 'string', default: '8' },
    seed: { type: 'string', default: '1' },
  },
});
const step = await exportRun({
  run: values.run,
  out: values.out,
  bits: Number(values.bits) as Bits,
  seed: Number(values.seed),
  statistics: readStatistics(join(values.run, 'statistics.json')),
  description: 'A small policy of OpenVLA-OFT’s architecture, trained from scratch on the practice table.',
});
console.log(`${values.out}: step ${step}, ${values.bits} bits`);
