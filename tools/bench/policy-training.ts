/** One LoRA step of the shipped policy, as teaching on the practice table takes it: where its time goes. */
import { ADAMW } from '../../src/model/finetune/arena.ts';
import { initialParameters } from '../../src/model/finetune/parameters.ts';
import { runPass } from '../../src/model/finetune/pass.ts';
import type { Sample } from '../../src/model/finetune/micro-batch.ts';
import { Trainables } from '../../src/model/finetune/trainables.ts';
import { Tape } from '../../src/model/network/tape.ts';
import { parsePolicyConfig, type PolicyConfig } from '../../src/model/policy/config.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { Random } from '../../src/base/random.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { PackageReader } from '../../src/model/weights/package-reader.ts';
import { countedOnGpu, type GpuCounts } from './gpu-counts.ts';
import { median } from './llama-block.ts';

export interface PolicyTrainingBench {
  readonly trained: number;
  /** Medians, milliseconds: forward and backward of a batch, and AdamW. */
  readonly passMs: number;
  readonly optimiserMs: number;
  /** Of `passMs`, inside onnxruntime. */
  readonly runMs: number;
  /** Forward alone and without LoRA, as a run's duration is estimated from. */
  readonly forwardMs: number;
  /** Of a step; null where there is no GPU. */
  readonly gpu: GpuCounts | null;
}

export interface PolicyTrainingOptions {
  /** `whole`: forwards and back as one graph. `blocks`: block by block on the tape, which computes the forward pass twice. */
  readonly partition: 'whole' | 'blocks';
  readonly batch: number;
  readonly steps: number;
}

const INSTRUCTIONS = ['lift the can', 'put the red block to the left of the bowl'];

/** The first step, which compiles, is not counted. */
export async function benchPolicyTraining(
  runtime: Runtime,
  reader: PackageReader,
  { partition, batch, steps }: PolicyTrainingOptions,
): Promise<PolicyTrainingBench> {
  const config = parsePolicyConfig(reader.manifest.config);
  const tokenize = await createTokenizer(await reader.tokenizer());
  const policy = await Policy.load(config, reader, runtime, { partition });
  const { trained, lora } = await initialParameters(config, reader, {
    lora: { r: 32, alpha: 16 },
    seed: 1,
  });
  const trainables = new Trainables(runtime, trained, lora!.alpha / lora!.r);
  policy.use(trainables);
  const prompts = INSTRUCTIONS.map((text) => policy.promptIds(text, tokenize).ids);
  const samples = Array.from({ length: batch }, (_, i) => randomSample(config, prompts[i % 2]!, i));
  const times: { passMs: number; optimiserMs: number; runMs: number }[] = [];
  const takeStep = async (step: number) => {
    const start = performance.now();
    const ran = runtime.runMs;
    const tape = new Tape(trainables.tapeOptions);
    await runPass(policy, samples, { tape });
    const passed = performance.now();
    await trainables.step(ADAMW);
    if (step > 0) {
      times.push({
        passMs: passed - start,
        runMs: runtime.runMs - ran,
        optimiserMs: performance.now() - passed,
      });
    }
  };
  for (let step = 0; step < steps; step++) await takeStep(step);
  // The last step is counted as well as timed.
  const last = () => takeStep(steps);
  const gpu = runtime.device && (await countedOnGpu(last)).counts;
  if (!gpu) await last();
  policy.use(null);
  const forwardMs: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const start = performance.now();
    await runPass(policy, samples);
    if (i > 0) forwardMs.push(performance.now() - start);
  }
  trainables.dispose();
  await policy.dispose();
  return {
    trained: [...trained.values()].reduce((sum, { data }) => sum + data.length, 0),
    forwardMs: median(forwardMs),
    passMs: median(times.map(({ passMs }) => passMs)),
    runMs: median(times.map(({ runMs }) => runMs)),
    gpu,
    optimiserMs: median(times.map(({ optimiserMs }) => optimiserMs)),
  };
}

function randomSample(
  { network, profile }: PolicyConfig,
  promptIds: readonly number[],
  seed: number,
): Sample {
  const random = new Random(seed);
  const numbers = (count: number) => Float32Array.from({ length: count }, () => random.gaussian());
  const side = network.vits[0]!.imageSize;
  return {
    pixels: numbers(profile.images.length * 3 * network.vits.length * side ** 2),
    promptIds,
    proprio: profile.state ? numbers(profile.state.length) : null,
    actions: numbers(profile.chunkSize * profile.actions.length),
  };
}
