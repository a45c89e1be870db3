import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { encode } from '../../tools/pretrain/records.ts';
import { sampleOf } from './sample.ts';

const folder = mkdtempSync(join(tmpdir(), 'pretrain-'));
mkdirSync(join(folder, 'data'));
const records = Array.from({ length: 24 }, (_, i) => encode(sampleOf(i)));
writeFileSync(join(folder, 'data', 'episodes-0000.bin'), Buffer.concat(records));

async function pretrain(run: string, steps: number, threads: number): Promise<string> {
  const options = {
    data: join(folder, 'data'),
    run: join(folder, run),
    steps,
    decay: 0,
    batch: 4,
    'save-every': 2,
    threads,
  };
  const { stdout } = await promisify(execFile)(process.execPath, [
    'tools/node/run.mjs',
    'tools/pretrain/main.ts',
    ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
  ]);
  return stdout;
}

const weights = (run: string, step: number) => readFileSync(join(folder, run, `step-000000${step}.bin`));

it('a run that is stopped goes on to the same weights, to the bit', async () => {
  await pretrain('stopped', 2, 2);
  expect(await pretrain('stopped', 4, 2)).toContain('from step 2 to 4');
  await pretrain('whole', 4, 2);
  expect(weights('stopped', 4).equals(weights('whole', 4))).toBe(true);
}, 120_000);

it('two threads do what one does, but for the order of sums', async () => {
  await pretrain('single', 4, 1);
  const [one, two] = ['single', 'whole'].map(
    (run) => new Float32Array(new Uint8Array(weights(run, 4)).buffer),
  );
  const count = one!.length / 4;
  // Four steps of warm-up move a weight by 5e-5 at most, and AdamW's first steps do so whatever the gradient's size: where it is
  // next to nothing, rounding decides.
  let apart = 0;
  for (let i = 0; i < count; i++) if (Math.abs(one![i]! - two![i]!) > 2e-6) apart++;
  expect(apart / count).toBeLessThan(0.01);
}, 120_000);
