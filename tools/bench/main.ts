/** `npm run bench`: speed of a LLaMA-2-7B layer, of a whole prediction, of the page's first action and of the converter. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Executor } from '../../src/model/runtime/web.ts';
import { openHarness } from '../harness/browser.ts';
import { parseArguments } from '../node/arguments.ts';
import { openPackageFolder } from '../node/package-folder.ts';
import { inWords } from './gpu-counts.ts';
import { benchLlamaBlock, type BlockBench } from './llama-block.ts';
import { benchPage, type PageBench } from './page.ts';
import { benchPolicyStep, type PolicyBench } from './policy-step.ts';
import type { PolicyTrainingBench } from './policy-training.ts';

const USAGE = `usage: npm run bench -- [options]

Prints a LLaMA-2-7B layer (q4, 600 tokens) beside a plain float32 MatMul, with its error against a twin; a prediction of the
default package by stage; and the built page from a cold start to the first action on the practice table.
On onnxruntime-node and, in Chromium, on WASM.

  --skip-block    leave out the LLaMA-2-7B layer
  --webgpu        the prediction and a LoRA step on WebGPU, ours beside onnxruntime's
  --convert       also make a checkpoint of full 7B shape (15 GB in the temporary folder, deleted afterwards) and
                  convert it to 4 bits`;

const { values } = parseArguments(USAGE, {
  options: {
    'skip-block': { type: 'boolean', default: false },
    webgpu: { type: 'boolean', default: false },
    convert: { type: 'boolean', default: false },
  },
});
const DEFAULT_PACKAGE = 'models/default/manifest.json';

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}\n`);

const node = await createNodeRuntime();
if (!values['skip-block']) printBlock('node', await benchLlamaBlock(node, { sampledRows: [0, 299, 599] }));
printPolicy('node', await benchPolicyStep(node, await openPackageFolder('public/models/default')));
await node.dispose();

const browser = await openHarness();
if (!values['skip-block']) {
  const options = { sampledRows: [0, 299, 599] };
  printBlock('wasm', await browser.run<BlockBench>('llama-block', { backend: 'wasm', options }));
}
printPolicy('wasm', await browser.run<PolicyBench>('policy-step', { backend: 'wasm', url: DEFAULT_PACKAGE }));
if (values.webgpu) {
  const [own, ort] = [await benchOnWebGpu('own'), await benchOnWebGpu('onnxruntime')];
  console.log(
    `WebGPU, ours / onnxruntime's: a prediction ${(own.predictionMs / ort.predictionMs).toFixed(2)}, ` +
      `a LoRA step ${(own.stepMs / ort.stepMs).toFixed(2)} (aim 0.50)\n`,
  );
}
await browser.close();
printPage(await benchPage());
if (values.convert) benchConvert();

async function benchOnWebGpu(executor: Executor): Promise<{ predictionMs: number; stepMs: number }> {
  const where = { backend: 'webgpu', executor, url: DEFAULT_PACKAGE };
  const prediction = await browser.run<PolicyBench>('policy-step', { ...where, runs: 5 });
  printPolicy(`webgpu, ${executor}`, prediction);
  const options = { partition: 'whole', batch: 8, steps: 2 };
  const { passMs, optimiserMs, gpu } = await browser.run<PolicyTrainingBench>('policy-training', {
    ...where,
    options,
  });
  console.log(
    `LoRA step of 8 on webgpu, ${executor}: ${passMs.toFixed(0)} ms, AdamW ${optimiserMs.toFixed(0)} ms`,
  );
  console.log(gpu ? `  ${inWords(gpu)}\n` : '');
  return { predictionMs: prediction.stepMs, stepMs: passMs + optimiserMs };
}

const list = (ms: number[]): string => ms.map((value) => value.toFixed(0)).join(', ');

function printBlock(backend: string, bench: BlockBench): void {
  console.log(`LLaMA-2-7B layer, q4, 600 tokens, ${backend}`);
  console.log(`  layer   ${bench.blockGflops.toFixed(1)} GFLOPS (${list(bench.blockMs)} ms)`);
  console.log(
    `  MatMul  ${bench.matMulGflops.toFixed(1)} GFLOPS (${list(bench.matMulMs)} ms), 600×4096×4096 f32`,
  );
  console.log(`  ratio   ${bench.ratio.toFixed(2)} (aim 0.80)`);
  console.log(
    `  largest error against the twin, rows ${bench.twinRows.join(', ')}: ${bench.twinError?.toExponential(1)} of the largest value\n`,
  );
}

function printPolicy(backend: string, bench: PolicyBench): void {
  console.log(`Prediction with "${bench.name}", ${backend}`);
  console.log(
    `  first actions after ${bench.coldMs.toFixed(0)} ms, then ${bench.stepMs.toFixed(1)} ms each (median of 20)`,
  );
  for (const { name, elapsedMs } of bench.stages)
    console.log(`    ${name.padEnd(16)} ${elapsedMs.toFixed(2).padStart(8)} ms`);
  console.log(
    `  network ${bench.networkGflops.toFixed(1)} GFLOPS, a plain MatMul ${bench.matMulGflops.toFixed(1)}, ratio ${(bench.networkGflops / bench.matMulGflops).toFixed(2)}`,
  );
  console.log(
    `  outside kernels ${(100 * bench.outsideShare).toFixed(1)} %, leaked tensors ${bench.leakedTensors}`,
  );
  console.log(bench.gpu ? `  ${inWords(bench.gpu)}\n` : '');
}

function printPage(bench: PageBench): void {
  console.log('The built page on localhost, nothing stored');
  console.log(
    `  table drawn after ${bench.tableMs.toFixed(0)} ms, first action after ${bench.firstActionMs.toFixed(0)} ms (aim 5000)`,
  );
  console.log(
    `  then ${bench.predictionMs.toFixed(1)} ms a chunk while physics and drawing go on (aim 50)\n`,
  );
}

function tool(script: string, ...args: string[]): void {
  execFileSync(process.execPath, ['tools/node/run.mjs', script, ...args], { stdio: 'inherit' });
}

/** In processes of their own, so that the peak memory is the converter's. */
function benchConvert(): void {
  const folder = mkdtempSync(join(tmpdir(), 'openvla-web-'));
  try {
    console.log('Converting a checkpoint of full 7B shape (random bf16) to 4 bits');
    tool('tools/make-checkpoint.ts', join(folder, 'checkpoint'), '--shape', '7b');
    tool('tools/convert/main.ts', join(folder, 'checkpoint'), join(folder, 'package'), '--bits', '4');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
