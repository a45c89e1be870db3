/** The image pipeline on real-sized images: every stage of `preprocess.safetensors`, on the CPU and, where there is one, on the GPU. */
import { readBuffer } from '../../src/model/kernels/gpu-run.ts';
import { createGpuImageProcessor } from '../../src/model/policy/image-processor.gpu.ts';
import type { ImageProcessorOptions } from '../../src/model/policy/image-processor-plan.ts';
import { createImageProcessor, type ImageBytes } from '../../src/model/policy/image-processor.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { compare, type Limit, type Row } from './compare.ts';
import { openTensors, readJson, type CaseFiles } from './golden.ts';
import { EXACT, float32Limit } from './tolerances.ts';

type Json = Record<string, unknown>;

interface Stage {
  readonly raw: string;
  readonly config: Json;
  readonly options: ImageProcessorOptions;
  readonly output: 'bytes' | 'planes';
  readonly limit: Limit;
}

/** `raw/…` is input. Upstream's JPEG round trip depends on TensorFlow's own libjpeg; meta.json calls its stand-in approximate. */
const NOT_COMPARED = /^raw\/|^pipeline_jpeg_approx\//;

/** The goldens re-implement TensorFlow's kernels in numpy (meta.json: notes): one byte by order of summation. */
const ONE_BYTE: Limit = { measure: 'absolute', limit: 1 };

export async function runPreprocess(files: CaseFiles, runtime: Runtime): Promise<Row[]> {
  const golden = await openTensors(files, 'preprocess.safetensors');
  const config = await readJson<Json>(files, 'preprocessor_config.json');
  const rows: Row[] = [];
  for (const name of golden.names) {
    if (NOT_COMPARED.test(name)) continue;
    const stage = stageNamed(name, config);
    const [height, width] = golden.shape(stage.raw) as [number, number];
    const image: ImageBytes = { width, height, data: Uint8Array.from(await golden.numbers(stage.raw)) };
    const theirs = await golden.numbers(name);
    rows.push(compare(name, pick(name, await onCpu(stage, image)), theirs, stage.limit));
    if (runtime.device) {
      rows.push(
        compare(`${name} (gpu)`, pick(name, await onGpu(runtime.device, stage, image)), theirs, stage.limit),
      );
    }
  }
  return rows;
}

function stageNamed(name: string, config: Json): Stage {
  const [kind, ...rest] = name.split('/');
  const index = rest.find((part) => /^\d+$/.test(part));
  const stage = (
    options: Partial<ImageProcessorOptions>,
    limit: Limit,
    output: Stage['output'] = 'bytes',
    json = config,
  ) => ({
    raw: `raw/${index}`,
    config: json,
    options: { centerCrop: false, policyResize: false, ...options },
    output,
    limit,
  });
  if (kind === 'center_crop') return stage({ centerCrop: true }, ONE_BYTE);
  if (kind === 'policy_resize_nojpeg') return stage({ policyResize: true }, ONE_BYTE);
  if (kind === 'pipeline_nojpeg') return stage({ centerCrop: true, policyResize: true }, ONE_BYTE);
  if (kind === 'strategy') return stage({}, EXACT, 'bytes', singleSiglip(config, rest[0]!));
  if (kind === 'processor') {
    const what = rest[1]!.replace(/\[.*$/, '');
    if (what === 'resized_u8') return stage({}, EXACT);
    if (what === 'pixel_values') return stage({}, float32Limit(name), 'planes');
    const { tvf_normalize_params: _, ...exact } = config;
    if (what === 'pixel_values_exact_meanstd') return stage({}, float32Limit(name), 'planes', exact);
  }
  throw new Error(`preprocess.safetensors holds "${name}", which this tool does not know how to compute.`);
}

/** What upstream derives for one SigLIP backbone with another resize strategy. */
function singleSiglip(config: Json, strategy: string): Json {
  const [size] = config['input_sizes'] as number[][];
  const half = [[0.5, 0.5, 0.5]];
  return {
    image_resize_strategy: strategy,
    input_sizes: [size],
    interpolations: ['bicubic'],
    means: half,
    stds: half,
  };
}

async function onCpu({ config, options, output }: Stage, image: ImageBytes): Promise<Output> {
  const { seen, pixelValues, shape } = createImageProcessor(config, options).process(image);
  return { shape, values: output === 'bytes' ? rgbOf(seen.data) : pixelValues };
}

async function onGpu(
  device: GPUDevice,
  { config, options, output }: Stage,
  image: ImageBytes,
): Promise<Output> {
  const result = createGpuImageProcessor(device, config, options).process(image);
  const [channels, height, width] = result.shape;
  const planes = new Float32Array(
    await readBuffer(device, result.pixelValues, 4 * channels * height * width),
  );
  const seen = await result.seen();
  result.destroy();
  return { shape: result.shape, values: output === 'bytes' ? rgbOf(seen.data) : planes };
}

interface Output {
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly values: ArrayLike<number>;
}

const rgbOf = (data: Uint8ClampedArray): Uint8ClampedArray => data.filter((_, i) => i % 4 !== 3);

/** Every n-th row and column of each plane for a name that ends in `[:, ::n, ::n]`; else everything. */
function pick(name: string, { shape, values }: Output): ArrayLike<number> {
  const step = Number(/\[:, ::(\d+), ::\d+\]$/.exec(name)?.[1] ?? 1);
  if (step === 1) return values;
  const [channels, height, width] = shape;
  const picked: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < height; y += step) {
      for (let x = 0; x < width; x += step) picked.push(values[(channel * height + y) * width + x]!);
    }
  }
  return picked;
}
