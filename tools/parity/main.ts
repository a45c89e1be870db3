/**
 * `npm run parity -- <golden case folder> [--backend node|wasm|webgpu] [--bits 32|16|8|4] [--partition whole|blocks] [--train] [--json]`
 *
 * Loads the case's upstream checkpoint, runs it and prints every stage's error against PyTorch; with `--train` fine-tunes it and compares
 * losses, gradients and weights with PyTorch's and PEFT's (below 32 bits: with the same weights decoded). Last line:
 * `worst: <stage> <error>`. Exit 1 when a stage is over its tolerance, 2 when the case cannot be run.
 */
import { parseArgs } from 'node:util';
import { severity, worstOf, type Row } from './compare.ts';
import { runParity, type ParityBackend } from './host.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'node' },
    bits: { type: 'string', default: '32' },
    partition: { type: 'string' },
    train: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const folder = positionals[0];
const known =
  ['node', 'wasm', 'webgpu'].includes(values.backend) &&
  ['4', '8', '16', '32'].includes(values.bits) &&
  [undefined, 'whole', 'blocks'].includes(values.partition);
if (!folder || !known) {
  console.error(
    'usage: npm run parity -- <golden case folder> [--backend node|wasm|webgpu] [--bits 32|16|8|4] ' +
      '[--partition whole|blocks] [--train] [--json]',
  );
  process.exit(2);
}

try {
  const rows = await runParity(folder, {
    backend: values.backend as ParityBackend,
    bits: Number(values.bits) as 4 | 8 | 16 | 32,
    train: values.train,
    ...(values.partition ? { partition: values.partition as 'whole' | 'blocks' } : {}),
  });
  const worst = worstOf(rows);
  if (!worst) throw new Error(`${folder} holds nothing to compare.`);
  if (values.json) console.log(JSON.stringify({ rows, worst }, null, 2));
  else print(rows);
  console.log(`worst: ${worst.stage} ${measured(worst).toExponential(2)}`);
  process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

function measured(row: Row): number {
  return row[row.measure];
}

function print(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(({ stage }) => stage.length));
  console.log(`${'stage'.padEnd(width)}  relative  absolute  limit`);
  for (const row of rows) {
    const limit =
      row.limit === Infinity ? 'printed' : `${row.limit.toExponential(0)} ${row.measure.slice(0, 3)}`;
    const mark = row.ok ? '' : `  OVER by ${severity(row).toFixed(1)}x`;
    console.log(
      `${row.stage.padEnd(width)}  ${row.relative.toExponential(2)}  ${row.absolute.toExponential(2)}  ${limit}${mark}`,
    );
  }
}
