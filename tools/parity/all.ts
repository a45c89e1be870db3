/** Every golden case on every backend in fp32, and in 8 and 4 bits on Node: what `npm test` runs. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockBench } from '../bench/llama-block.ts';
import type { OpResult } from '../harness/ops-job.ts';
import { openHarness } from '../harness/browser.ts';
import { worstOf, type Row } from './compare.ts';
import { runParity, runParityIn, serveFolders, type ParityOptions } from './host.ts';

const ROOT = 'tests/golden';
const folders = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => (name === 'convert' ? ['convert/fused', 'convert/siglip'] : [name]))
  .map((name) => join(ROOT, name));
const holding = (file: string) => folders.filter((folder) => readdirSync(folder).includes(file));
const pipelines = holding('preprocess.safetensors');
const networks = holding('io.safetensors');
const trainings = holding('train.safetensors');

let failures = 0;
async function report(folder: string, options: ParityOptions, run: () => Promise<Row[]>): Promise<void> {
  const label = [
    `${folder} ${options.backend} ${options.bits} bit`,
    ...(options.partition ? [options.partition] : []),
    ...(options.train ? ['training'] : []),
  ].join(' ');
  const start = performance.now();
  try {
    const rows = await run();
    const worst = worstOf(rows)!;
    const over = rows.filter(({ ok }) => !ok);
    failures += over.length;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(
      `${over.length === 0 ? 'ok  ' : 'OVER'} ${label}: ${rows.length} stages, worst ${worst.stage} ` +
        `${worst[worst.measure].toExponential(2)} of ${worst.limit} (${seconds} s)`,
    );
    for (const row of over)
      console.log(
        `       ${row.stage} ${row.measure} ${row[row.measure].toExponential(2)} over ${row.limit}`,
      );
  } catch (error) {
    failures += 1;
    console.log(`FAIL ${label}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const onNode = async (folder: string, options: Omit<ParityOptions, 'backend'>) => {
  const full: ParityOptions = { backend: 'node', ...options };
  await report(folder, full, () => runParity(folder, full));
};
for (const folder of folders) await onNode(folder, { bits: 32 });
for (const folder of networks) {
  await onNode(folder, { bits: 32, partition: 'blocks' });
  await onNode(folder, { bits: 8 });
  await onNode(folder, { bits: 4 });
}
for (const folder of trainings) {
  await onNode(folder, { bits: 32, train: true, partition: 'whole' });
  await onNode(folder, { bits: 32, train: true, partition: 'blocks' });
  await onNode(folder, { bits: 8, train: true });
  await onNode(folder, { bits: 4, train: true });
}
const browser = await openHarness([serveFolders()]);
// float32 against float64 on sums of at most a few dozen terms of size one.
const OP_TOLERANCE = 5e-6;
for (const backend of ['wasm', 'webgpu'] as const) {
  const results = await browser.run<OpResult[]>('ops', { backend });
  const wrong = results.filter(({ error }) => error === null || !(error <= OP_TOLERANCE));
  failures += wrong.length;
  console.log(
    `${wrong.length === 0 ? 'ok  ' : 'OVER'} ${results.length} ops and blocks, forward and backward, on ${backend}`,
  );
  for (const { name, error, message } of wrong) console.log(`       ${name}: ${error ?? message}`);
  for (const folder of [...networks, ...pipelines]) {
    const options: ParityOptions = { backend, bits: 32 };
    await report(folder, options, () => runParityIn(browser, folder, options));
  }
  const packed: ParityOptions = { backend, bits: 4, train: true };
  await report(trainings[0]!, packed, () => runParityIn(browser, trainings[0]!, packed));
  for (const folder of trainings) {
    const options: ParityOptions = { backend, bits: 32, train: true, brief: backend === 'webgpu' };
    await report(folder, options, () => runParityIn(browser, folder, options));
  }
}

// The real thing's size: one LLaMA-2-7B layer, 600 tokens, q4, through the same graph on WASM, against its twin.
const block = await browser.run<BlockBench>('llama-block', {
  backend: 'wasm',
  options: { runs: 1, sampledRows: [0, 599] },
});
// q4 codes are exact in float32; 4096 and 11008 terms a sum leave about 1e-6 of the largest value.
const BLOCK_TOLERANCE = 1e-5;
const blockOk = block.twinError !== null && block.twinError <= BLOCK_TOLERANCE;
if (!blockOk) failures += 1;
console.log(
  `${blockOk ? 'ok  ' : 'OVER'} LLaMA-2-7B layer on wasm: error ${block.twinError?.toExponential(2)} of ${BLOCK_TOLERANCE}`,
);
await browser.close();
if (failures > 0) {
  console.error(`${failures} stages are over their tolerance.`);
  process.exit(1);
}
