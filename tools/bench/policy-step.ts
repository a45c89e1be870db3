/** A whole prediction of a package, frames to actions: time per stage, and what is spent outside the kernels. */
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { gaussianNoise } from '../../src/model/policy/noise.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { Policy, StageClock } from '../../src/model/policy/policy.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { PackageReader } from '../../src/model/weights/package-reader.ts';
import { median } from './llama-block.ts';

export interface PolicyBench {
  name: string;
  /** From opening the weights to the first actions, milliseconds. */
  coldMs: number;
  /** Median milliseconds of a prediction. */
  stepMs: number;
  /** Median milliseconds by stage. */
  stages: { name: string; elapsedMs: number }[];
  /** Share of a prediction that is neither inside onnxruntime's run, nor in the image processor, the head or DDIM. */
  outsideShare: number;
  /** Tensors alive after all predictions minus after the first: 0 when nothing leaks. */
  leakedTensors: number;
}

const OWN_KERNELS = new Set(['image processor', 'action head', 'action tokens']);

const frame = (seed: number) => ({
  width: 640,
  height: 480,
  data: Uint8ClampedArray.from({ length: 640 * 480 * 4 }, (_, i) => (i * seed) & 255),
});

export async function benchPolicyStep(
  runtime: Runtime,
  reader: PackageReader,
  runs = 20,
): Promise<PolicyBench> {
  const start = performance.now();
  const config = parsePolicyConfig(reader.manifest.config);
  const tokenize = await createTokenizer(await reader.tokenizer());
  const policy = await Policy.load(config, reader, runtime);
  const observer = createObserver(config, runtime, () => {
    throw new Error('The bench sends raw images.');
  });
  const frames = config.profile.images.map((_, i) => frame(7 + 2 * i));
  const state = config.profile.state && config.profile.state.map(() => 0);
  const count = config.profile.chunkSize * config.profile.actions.length;

  const predict = async () => {
    const begin = performance.now();
    const ranBefore = runtime.runMs;
    const clock = new StageClock(runtime.device);
    const { pixels } = await observer.observe(frames);
    await clock.mark('image processor');
    const { ids } = policy.promptIds('put the red mug on the left plate', tokenize);
    const proprio = policy.normalizeState(state, config.defaultUnnormKey);
    await clock.mark('prompt');
    const noise = config.head === 'diffusion' ? { noise: gaussianNoise(count, 1) } : {};
    await policy.predict({ pixels, promptIds: ids, proprio, ...noise }, clock);
    pixels.dispose();
    const elapsedMs = performance.now() - begin;
    const own = clock.stages
      .filter(({ name }) => OWN_KERNELS.has(name))
      .reduce((sum, stage) => sum + stage.elapsedMs, 0);
    return { elapsedMs, stages: clock.stages, outside: 1 - (runtime.runMs - ranBefore + own) / elapsedMs };
  };
  await predict();
  const coldMs = performance.now() - start;
  const before = runtime.live.tensors;
  const results: Awaited<ReturnType<typeof predict>>[] = [];
  for (let run = 0; run < runs; run++) results.push(await predict());
  const leakedTensors = runtime.live.tensors - before;
  await policy.dispose();
  return {
    name: reader.manifest.name,
    coldMs,
    stepMs: median(results.map(({ elapsedMs }) => elapsedMs)),
    stages: results[0]!.stages.map(({ name }, i) => ({
      name,
      elapsedMs: median(results.map(({ stages }) => stages[i]!.elapsedMs)),
    })),
    outsideShare: median(results.map(({ outside }) => outside)),
    leakedTensors,
  };
}
