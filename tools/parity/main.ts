/** `npm run parity`: every stage of a golden case against PyTorch, and of its fine-tuning against PyTorch and PEFT. */
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import { parseArguments, plainMessage } from '../node/arguments.ts';
import { severity, worstOf, type Row } from './compare.ts';
import { PARITY_BACKENDS, runParity } from './host.ts';

const USAGE = `usage: npm run parity -- <golden case folder> [options]

Loads the upstream checkpoint of a golden case (tests/golden/…), runs it and prints every stage's error against PyTorch.
The last line is "worst: <stage> <error>". Exit 1 when a stage is over its tolerance, 2 when the case cannot be run.

  --backend NAME      node (onnxruntime-node, the default) or dawn (WebGPU in Node); in Chromium wasm or webgpu;
                      WebGPU is our own executor, dawn-ort and webgpu-ort are onnxruntime's
  --bits N            bits the weights are stored with: 32, 16, 8 or 4 (default 32)
  --partition HOW     run the network as one graph (whole) or as one per block (blocks; default: by its size)
  --train             fine-tune instead, and compare losses, gradients and weights with PyTorch's and PEFT's;
                      below 32 bits with our own float32 training on the same weights, decoded
  --json              print the stages as JSON instead of a table`;

const args = parseArguments(USAGE, {
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'node' },
    bits: { type: 'string', default: '32' },
    partition: { type: 'string' },
    train: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const { values } = args;
const [folder] = args.exactly('<golden case folder>');
const backend = args.oneOf('backend', PARITY_BACKENDS);
const bits = Number(args.oneOf('bits', ['32', '16', '8', '4'])) as Bits;
const partition = args.oneOf('partition', ['whole', 'blocks']);

try {
  const rows = await runParity(folder, {
    backend,
    bits,
    train: values.train,
    ...(partition ? { partition } : {}),
  });
  const worst = worstOf(rows);
  if (!worst) throw new Error(`${folder} holds nothing to compare.`);
  if (values.json) console.log(JSON.stringify({ rows, worst }, null, 2));
  else print(rows);
  console.log(`worst: ${worst.stage} ${measured(worst).toExponential(2)}`);
  process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
} catch (error) {
  console.error(plainMessage(error));
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
