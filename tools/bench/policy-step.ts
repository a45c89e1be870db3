/** A whole prediction of a package, frames to actions: time per stage, and what is spent outside the kernels. */
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { Policy, StageClock } from '../../src/model/policy/policy.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { PackageReader } from '../../src/model/weights/package-reader.ts';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { predictionFlops } from './flops.ts';
import { countedOnGpu, type GpuCounts } from './gpu-counts.ts';
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
  /** Of the network, against a plain float32 MatMul [256, 256] · [256, 256] of the same provider, in GFLOPS. */
  networkGflops: number;
  matMulGflops: number;
  /** Tensors alive after all predictions minus after the first: 0 when nothing leaks. */
  leakedTensors: number;
  /** Of a prediction; null where there is no GPU. */
  gpu: GpuCounts | null;
}

const INSTRUCTION = 'put the red block on the plate';
const OWN_KERNELS = new Set(['image processor']);

const frame = (seed: number, width: number, height: number) => ({
  width,
  height,
  data: Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => (i * seed) & 255),
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
  // The practice table's cameras draw images of the policy's size; others have a webcam's.
  const side = config.network.vits[0]!.imageSize;
  const [width, height] = config.centerCrop ? [640, 480] : [side, side];
  const frames = config.profile.images.map((_, i) => frame(7 + 2 * i, width, height));
  const networkStages = new Set(['vision', 'language model and head']);
  const state = config.profile.state && config.profile.state.map(() => 0);

  const predict = async () => {
    const begin = performance.now();
    const ranBefore = runtime.runMs;
    const clock = new StageClock(runtime.device);
    const { pixels } = await observer.observe(frames);
    await clock.mark('image processor');
    const { ids } = policy.promptIds(INSTRUCTION, tokenize);
    const proprio = policy.normalizeState(state, config.defaultUnnormKey);
    await clock.mark('prompt');
    await policy.predict({ pixels, promptIds: ids, proprio, seed: 1 }, clock);
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
  const gpu = runtime.device && (await countedOnGpu(predict)).counts;
  const leakedTensors = runtime.live.tensors - before;
  await policy.dispose();
  const { ids: prompt } = policy.promptIds(INSTRUCTION, tokenize);
  const shapes = new Map(reader.names.map((name) => [name, reader.shapeOf(name)]));
  const networkMs = median(
    results.map(({ stages }) =>
      stages.filter(({ name }) => networkStages.has(name)).reduce((sum, stage) => sum + stage.elapsedMs, 0),
    ),
  );
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
    gpu,
    networkGflops: predictionFlops(config, shapes, prompt.length) / networkMs / 1e6,
    matMulGflops: await plainMatMul(runtime),
  };
}

async function plainMatMul(runtime: Runtime): Promise<number> {
  const size = 256;
  const g = new GraphBuilder('plain matMul');
  g.output('y', g.matMul(g.input('a', [size, size]), g.input('b', [size, size])));
  const program = await runtime.compile(g.build());
  const matrix = () => runtime.upload(new Float32Array(size * size).fill(0.5), [size, size]);
  const feeds = { a: matrix(), b: matrix() };
  const times: number[] = [];
  for (let run = 0; run < 30; run++) {
    const start = performance.now();
    const { y } = await program.run(feeds);
    await runtime.read(y!);
    times.push(performance.now() - start);
    y!.dispose();
  }
  feeds.a.dispose();
  feeds.b.dispose();
  await program.dispose();
  return (2 * size ** 3) / median(times) / 1e6;
}
