/** `npm run bench:gpu`: the page's GPU path in Node, on Dawn: a LLaMA-2-7B layer, predictions and fine-tuning steps of the shipped policy. */
import { parseArguments } from '../node/arguments.ts';
import { createDawnRuntime } from '../node/dawn-runtime.ts';
import { openPackageFolder } from '../node/package-folder.ts';
import { benchLlamaBlock } from './llama-block.ts';
import { benchLlamaBlockTraining } from './llama-block-training.ts';
import { benchPolicyStep } from './policy-step.ts';
import { benchPolicyTraining } from './policy-training.ts';

const USAGE = `usage: npm run bench:gpu -- [options]

Prints what onnxruntime-web and our kernels reach on WebGPU, on Dawn in Node, without a browser: a LLaMA-2-7B layer (q4, 600 tokens)
beside a plain float32 MatMul, the same layer with LoRA backwards, predictions of the shipped policy and its fine-tuning steps.

  --runs N        timed runs of each (default 10)
  --skip-block    leave out the LLaMA-2-7B layer, which a software adapter takes minutes for`;

const args = parseArguments(USAGE, {
  options: { runs: { type: 'string', default: '10' }, 'skip-block': { type: 'boolean', default: false } },
});
const runs = args.wholeNumber('runs', 1);
const SHIPPED = 'public/models/default';
const list = (ms: readonly number[]): string => ms.map((value) => value.toFixed(1)).join(', ');

const { runtime, label, release } = await createDawnRuntime();
console.log(label);
if (!args.values['skip-block']) {
  const block = await benchLlamaBlock(runtime, { runs, sampledRows: [0, 299, 599] });
  console.log(
    `LLaMA-2-7B layer, q4, 600 tokens: ${block.blockGflops.toFixed(0)} GFLOPS (${list(block.blockMs)} ms)`,
  );
  console.log(`  a plain MatMul ${block.matMulGflops.toFixed(0)} GFLOPS, ratio ${block.ratio.toFixed(2)}`);
  console.log(`  largest error against the twin ${block.twinError?.toExponential(1)} of the largest value`);
  const training = await benchLlamaBlockTraining(runtime, { runs });
  console.log(`  with LoRA of rank ${training.rank}, forward ${list(training.forwardMs)} ms`);
  console.log(
    `  backward ${list(training.backwardMs)} ms, with recomputation; ratio ${training.ratio.toFixed(2)} (aim 2.5)`,
  );
}
const step = await benchPolicyStep(runtime, await openPackageFolder(SHIPPED), runs);
console.log(
  `"${step.name}": first actions after ${step.coldMs.toFixed(0)} ms, then ${step.stepMs.toFixed(1)} ms each (median)`,
);
for (const { name, elapsedMs } of step.stages)
  console.log(`  ${name.padEnd(16)} ${elapsedMs.toFixed(2).padStart(8)} ms`);
console.log(
  `  outside kernels ${(100 * step.outsideShare).toFixed(1)} %, leaked tensors ${step.leakedTensors}`,
);
for (const partition of ['whole', 'blocks'] as const) {
  for (const batch of [8, 32]) {
    const options = { partition, batch, steps: runs };
    const { passMs, optimiserMs, forwardMs } = await benchPolicyTraining(
      runtime,
      await openPackageFolder(SHIPPED),
      options,
    );
    console.log(
      `LoRA step, batch of ${batch}, ${partition}: forward and back ${passMs.toFixed(1)} ms, AdamW ${optimiserMs.toFixed(1)} ms; ` +
        `${((passMs + optimiserMs) / forwardMs).toFixed(1)} times a forward pass (${forwardMs.toFixed(1)} ms)`,
    );
  }
}
await release();
