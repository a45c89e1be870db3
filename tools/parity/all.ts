/** Every golden case on every backend: what `npm test` runs of it, and what is left to `npm run test:full`. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { BlockBench } from '../bench/llama-block.ts';
import { openHarness } from '../harness/browser.ts';
import type { OpResult } from '../harness/ops-job.ts';
import { parseArguments } from '../node/arguments.ts';
import { worstOf, type Row } from './compare.ts';
import { folderFiles, readQwenJson, runParityIn, serveFolders, type ParityOptions } from './host.ts';
import { runFolder, type FolderOptions } from './run-folder.ts';
import { tokenizers } from './tokenize.ts';

const { values } = parseArguments(
  `usage: node tools/node/run.mjs tools/parity/all.ts [options]

Every golden case on Node and in a browser on wasm, in fp32, 8 and 4 bits, forward and in training, on wasm one with all five steps
and the others with one; on webgpu, which tests run in software, one case forward: unit tests run every op of ours on Dawn.

  --full         what that leaves out instead: all steps on wasm, every op and case on webgpu, and a LLaMA-2-7B layer
  --json FILE    writes how many cases passed and failed`,
  { options: { full: { type: 'boolean', default: false }, json: { type: 'string', default: '' } } },
);

const ROOT = 'tests/golden';
const folders = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => (name === 'convert' ? ['convert/fused', 'convert/siglip'] : [name]))
  .map((name) => join(ROOT, name));
const holding = (file: string) => folders.filter((folder) => readdirSync(folder).includes(file));
const pipelines = holding('preprocess.safetensors');
const networks = holding('io.safetensors');
const trainings = holding('train.safetensors');
/** The case that stands for the others where they would take long: two cameras, proprio, an L1 head. */
const ONE = join(ROOT, 'libero-l1');

const counted = { passed: 0, failed: 0 };

function count(label: string, good: boolean, about: string, details: readonly string[]): void {
  if (good) counted.passed += 1;
  else counted.failed += 1;
  console.log([`${good ? 'ok  ' : 'OVER'} ${label}: ${about}`, ...details].join('\n       '));
}

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
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    count(
      label,
      over.length === 0,
      `${rows.length} stages, worst ${worst.stage} ${worst[worst.measure].toExponential(2)} of ${worst.limit} (${seconds} s)`,
      over.map((row) => `${row.stage} ${row.measure} ${row[row.measure].toExponential(2)} over ${row.limit}`),
    );
  } catch (error) {
    count(label, false, error instanceof Error ? error.message : String(error), []);
  }
}

async function onNode(): Promise<void> {
  // Networks this small are done before a second thread has woken up, and waiting for it burns a core.
  const runtime = await createNodeRuntime({ threads: 1 });
  const tokenizeFor = tokenizers(readQwenJson);
  const run = (folder: string, options: FolderOptions) =>
    report(folder, { backend: 'node', ...options }, () =>
      runFolder(folderFiles(folder), runtime, tokenizeFor, options),
    );
  for (const folder of folders) await run(folder, { bits: 32 });
  for (const folder of networks) {
    await run(folder, { bits: 32, partition: 'blocks' });
    await run(folder, { bits: 8 });
    await run(folder, { bits: 4 });
  }
  for (const folder of trainings) {
    await run(folder, { bits: 32, train: true, partition: 'whole' });
    await run(folder, { bits: 32, train: true, partition: 'blocks' });
    await run(folder, { bits: 8, train: true });
    await run(folder, { bits: 4, train: true });
  }
  await runtime.dispose();
}

/** float32 against float64 on sums of at most a few dozen terms of size one. */
const OP_TOLERANCE = 5e-6;

async function inBrowser(full: boolean): Promise<void> {
  const browser = await openHarness([serveFolders()]);
  const run = (folder: string, options: ParityOptions) =>
    report(folder, options, () => runParityIn(browser, folder, options));
  const ops = async (backend: 'wasm' | 'webgpu') => {
    for (const { name, error, message } of await browser.run<OpResult[]>('ops', { backend })) {
      if (error !== null && error <= OP_TOLERANCE) counted.passed += 1;
      else count(`${name} on ${backend}`, false, `${error ?? message}`, []);
    }
    console.log(`     ops and blocks, forward and backward, are done on ${backend}`);
  };
  const others = trainings.filter((each) => each !== ONE);
  if (full) {
    for (const folder of others) await run(folder, { backend: 'wasm', bits: 32, train: true });
    await ops('webgpu');
    for (const folder of pipelines) await run(folder, { backend: 'webgpu', bits: 32 });
    for (const folder of networks.filter((each) => each !== ONE))
      await run(folder, { backend: 'webgpu', bits: 32 });
    for (const folder of trainings)
      await run(folder, { backend: 'webgpu', bits: 32, train: true, brief: folder !== ONE });
    await run(trainings[0]!, { backend: 'webgpu', bits: 4, train: true });
    await sevenB();
  } else {
    await ops('wasm');
    for (const folder of [...networks, ...pipelines]) await run(folder, { backend: 'wasm', bits: 32 });
    await run(trainings[0]!, { backend: 'wasm', bits: 4, train: true });
    for (const folder of trainings)
      await run(folder, { backend: 'wasm', bits: 32, train: true, brief: folder !== ONE });
    await run(ONE, { backend: 'webgpu', bits: 32 });
  }
  await browser.close();

  /** The real thing's size: one LLaMA-2-7B layer, 600 tokens, q4, through the same graph on WASM, against its twin. */
  async function sevenB(): Promise<void> {
    const { twinError } = await browser.run<BlockBench>('llama-block', {
      backend: 'wasm',
      options: { runs: 1, sampledRows: [0, 599] },
    });
    // q4 codes are exact in float32; 4096 and 11008 terms a sum leave about 1e-6 of the largest value.
    const limit = 1e-5;
    count(
      'LLaMA-2-7B layer on wasm',
      twinError !== null && twinError <= limit,
      `error ${twinError?.toExponential(2)} of ${limit}`,
      [],
    );
  }
}

if (values.full) await inBrowser(true);
// onnxruntime works outside of this thread: both get on at the same time.
else await Promise.all([onNode(), inBrowser(false)]);

if (values.json) writeFileSync(values.json, JSON.stringify(counted));
console.log(`${counted.passed} cases passed, ${counted.failed} failed`);
if (counted.failed > 0) process.exit(1);
