/** `npm run bench:train`: speed of fine-tuning beside upstream's own, and whether quantised bases learn as float32 does. */
import { cpus } from 'node:os';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import { openHarness } from '../harness/browser.ts';
import { parseArguments } from '../node/arguments.ts';
import { folderFiles, servedArguments, serveFolders } from '../parity/host.ts';
import { upstreamStepMs } from '../interop/upstream-step.ts';
import { openPackageFolder } from '../node/package-folder.ts';
import { median } from './llama-block.ts';
import { benchLlamaBlockTraining, type BlockTrainingBench } from './llama-block-training.ts';
import { benchPolicyTraining, type PolicyTrainingBench } from './policy-training.ts';
import { benchTraining, type TrainingBench } from './training.ts';

const USAGE = `usage: npm run bench:train -- [options]

Prints milliseconds per LoRA step of the golden cases on Node and WASM, and of PyTorch + PEFT where Python has them
(tools/interop/README.md); of the shipped policy, as one graph and block by block; a LLaMA-2-7B layer with LoRA on a q4 base, forward and backward; and the loss curves of float32,
q8 and q4 bases.

  --skip-block    leave out the LLaMA-2-7B layer
  --webgpu        the LLaMA-2-7B layer on WebGPU, too
  --steps N       optimiser steps of the loss curves (default 200)`;

const args = parseArguments(USAGE, {
  options: {
    'skip-block': { type: 'boolean', default: false },
    webgpu: { type: 'boolean', default: false },
    steps: { type: 'string', default: '200' },
  },
});
const { values } = args;
const steps = args.wholeNumber('steps', 1);

const CASES = ['libero-l1', 'siglip-only-l1', 'libero-diffusion', 'aloha-film-l1', 'discrete'];
const CURVE_CASE = 'siglip-only-l1';
const SHIPPED = 'public/models/default';
const folderOf = (name: string) => `tests/golden/${name}`;

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}\n`);
const node = await createNodeRuntime();
const browser = await openHarness([serveFolders()]);

console.log('One LoRA step (batch of 2, all linear layers), milliseconds, median of 20');
for (const name of CASES) {
  const options = { bits: 32 as const, steps: 21 };
  const ours = median((await benchTraining(folderFiles(folderOf(name)), node, options)).stepMs);
  const wasm = await browser.run<TrainingBench>('training', {
    backend: 'wasm',
    ...options,
    ...servedArguments(folderOf(name)),
  });
  const upstream = await upstreamStepMs(folderOf(name), 20);
  const beside =
    typeof upstream === 'number'
      ? `PyTorch + PEFT ${upstream.toFixed(1)}, ratio on Node ${(ours / upstream).toFixed(2)} (aim 1.0)`
      : `PyTorch + PEFT skipped: ${upstream.skipped}`;
  console.log(
    `  ${name.padEnd(18)} Node ${ours.toFixed(1)}, WASM ${median(wasm.stepMs).toFixed(1)}, ${beside}`,
  );
}

console.log(
  '\nOne LoRA step of the shipped policy (batch of 8, rank 32, all linear layers), milliseconds, median of 12',
);
for (const partition of ['whole', 'blocks'] as const) {
  const options = { partition, batch: 8, steps: 12 };
  printTraining(
    'Node',
    partition,
    await benchPolicyTraining(node, await openPackageFolder(SHIPPED), options),
  );
  const url = 'models/default/manifest.json';
  printTraining(
    'WASM',
    partition,
    await browser.run<PolicyTrainingBench>('policy-training', { backend: 'wasm', url, options }),
  );
}

if (!values['skip-block']) {
  printBlock('node', await benchLlamaBlockTraining(node));
  for (const backend of ['wasm', ...(values.webgpu ? ['webgpu'] : [])]) {
    printBlock(
      backend,
      await browser.run<BlockTrainingBench>('llama-block-training', { backend, options: {} }),
    );
  }
}

const curves: [string, number[]][] = [];
for (const bits of [32, 8, 4] as const) {
  const { losses } = await benchTraining(folderFiles(folderOf(CURVE_CASE)), node, { bits, steps });
  curves.push([bits === 32 ? 'float32' : `q${bits}`, losses]);
}
console.log(`\nLoss over ${steps} steps on ${CURVE_CASE}`);
console.log(`  step     ${curves.map(([name]) => name.padStart(9)).join('')}`);
for (let step = 0; step < steps; step += Math.max(1, Math.floor(steps / 20))) printLosses(step);
printLosses(steps - 1);
await browser.close();
await node.dispose();

function list(ms: readonly number[]): string {
  return ms.map((value) => value.toFixed(0)).join(', ');
}

function printLosses(step: number): void {
  console.log(
    `  ${String(step).padEnd(9)}${curves.map(([, losses]) => losses[step]!.toFixed(5).padStart(9)).join('')}`,
  );
}

function printTraining(backend: string, partition: string, bench: PolicyTrainingBench): void {
  const { passMs, optimiserMs, runMs, forwardMs } = bench;
  console.log(
    `  ${backend} ${partition.padEnd(7)} forward and back ${passMs.toFixed(0)} (inside onnxruntime ${runMs.toFixed(0)}), AdamW ${optimiserMs.toFixed(1)}; ` +
      `${((passMs + optimiserMs) / forwardMs).toFixed(1)} times a forward pass without LoRA (${forwardMs.toFixed(0)})`,
  );
}

function printBlock(backend: string, bench: BlockTrainingBench): void {
  console.log(`\nLLaMA-2-7B layer, q4, LoRA rank ${bench.rank} on all linear layers, 600 tokens, ${backend}`);
  console.log(`  forward   ${list(bench.forwardMs)} ms`);
  console.log(`  backward  ${list(bench.backwardMs)} ms, with recomputation`);
  console.log(`  ratio     ${bench.ratio.toFixed(2)} (aim 2.5)`);
}
