/** The image pipeline on real-sized images: every stage of `preprocess.safetensors`, on the CPU and, where there is one, on the GPU. */
import { readBuffer } from '../../src/model/kernels/gpu-run.ts';
import type { Pixels } from '../../src/model/kernels/pixels.ts';
import { createGpuImageProcessor } from '../../src/model/policy/image-processor.gpu.ts';
import type { ImageProcessorOptions } from '../../src/model/policy/image-processor-plan.ts';
import { createImageProcessor, type ImageBytes } from '../../src/model/policy/image-processor.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { compare, type Limit, type Row } from './compare.ts';
import { openTensors, readJson, type CaseFiles, type GoldenTensors } from './golden.ts';
import { EXACT, float32Limit } from './tolerances.ts';

/**
 * Stages that are not compared: upstream sends frames through a JPEG encoder and decoder first, whose bytes
 * depend on the libjpeg they were made with. The page does not imitate that, and the golden file itself, made with
 * another libjpeg than TensorFlow's, is approximate (meta.json: pipeline_jpeg_approx).
 */
const NOT_COMPARED = /^pipeline_jpeg_approx\/\d+$/;

/** What the stages start from. */
const GIVEN = /^raw\/\d+$/;

/** meta.json: the golden values come from TensorFlow's kernels redone in numpy, which differ from it by one level at most. */
const ONE_LEVEL: Limit = { measure: 'absolute', limit: 1 };

const PROCESSOR: ImageProcessorOptions = { centerCrop: false, policyResize: false };

type Json = Record<string, unknown>;

/** How a stage is made from its raw image. */
interface Recipe {
  readonly config: Json;
  readonly options: ImageProcessorOptions;
  readonly output: 'seen' | 'pixelValues';
  readonly limit: Limit;
}

/** `group/index`, or `group/index/part`, and the slice that is stored, as in `processor/0/pixel_values[:, ::7, ::7]`. */
const STAGE = /^(?<group>[\w-]+(?:\/[a-z][\w-]*)?)\/(?<index>\d+)(?:\/(?<part>\w+))?(?:\[(?<slice>.+)\])?$/;

/** @throws when the file holds a stage that is not known here, so that none goes by unseen */
export async function runPreprocess(files: CaseFiles, runtime: Runtime): Promise<Row[]> {
  const golden = await openTensors(files, 'preprocess.safetensors');
  const config = await readJson<Json>(files, 'preprocessor_config.json');
  const rows: Row[] = [];
  for (const name of golden.names) {
    if (GIVEN.test(name) || NOT_COMPARED.test(name)) continue;
    const { group = '', index, part, slice } = STAGE.exec(name)?.groups ?? {};
    const recipe = recipeOf(part ? `${group}/${part}` : group, config);
    if (!recipe) throw new Error(`${files.name} holds the stage "${name}", which is not known.`);
    const raw = await imageOf(golden, `raw/${index}`);
    const theirs = await golden.numbers(name);
    const add = (stage: string, { values, shape }: Processed) =>
      rows.push(compare(stage, slice ? sliced(values, shape, slice) : values, theirs, recipe.limit));
    add(name, onCpu(raw, recipe));
    if (runtime.device) add(`${name} (gpu)`, await onGpu(runtime.device, raw, recipe));
  }
  return rows;
}

function recipeOf(stage: string, config: Json): Recipe | null {
  const planes = { options: PROCESSOR, output: 'pixelValues', limit: float32Limit('pixel_values') } as const;
  const bytes = { options: PROCESSOR, output: 'seen', limit: EXACT } as const;
  switch (stage) {
    case 'processor/resized_u8':
      return { ...bytes, config };
    case 'processor/pixel_values':
      return { ...planes, config };
    case 'processor/pixel_values_exact_meanstd': {
      // Without the saved parameters the processor falls back to `means` and `stds`, which are not rounded to bf16.
      const { tvf_normalize_params: _, ...bare } = config;
      return { ...planes, config: bare };
    }
    case 'center_crop':
      return { ...bytes, config, options: { centerCrop: true, policyResize: false }, limit: ONE_LEVEL };
    case 'policy_resize_nojpeg':
      return { ...bytes, config, options: { centerCrop: false, policyResize: true }, limit: ONE_LEVEL };
    case 'pipeline_nojpeg':
      return { ...bytes, config, options: { centerCrop: true, policyResize: true }, limit: ONE_LEVEL };
    default: {
      const strategy = /^strategy\/([\w-]+)$/.exec(stage)?.[1];
      return strategy ? { ...bytes, config: siglipConfig(strategy, config) } : null;
    }
  }
}

/** The other strategies were recorded with SigLIP alone, in the size of the fused pair. */
function siglipConfig(strategy: string, config: Json): Json {
  return {
    image_resize_strategy: strategy,
    input_sizes: (config['input_sizes'] as unknown[]).slice(-1),
    interpolations: ['bicubic'],
    means: [[0.5, 0.5, 0.5]],
    stds: [[0.5, 0.5, 0.5]],
  };
}

async function imageOf(golden: GoldenTensors, name: string): Promise<ImageBytes> {
  const [height, width] = golden.shape(name) as [number, number];
  return { width, height, data: Uint8Array.from(await golden.numbers(name)) };
}

interface Processed {
  readonly values: ArrayLike<number>;
  readonly shape: readonly number[];
}

function onCpu(raw: ImageBytes, { config, options, output }: Recipe): Processed {
  const { seen, pixelValues, shape } = createImageProcessor(config, options).process(raw);
  return output === 'seen' ? rgbOf(seen) : { values: pixelValues, shape };
}

async function onGpu(
  device: GPUDevice,
  raw: ImageBytes,
  { config, options, output }: Recipe,
): Promise<Processed> {
  const result = createGpuImageProcessor(device, config, options).process(raw);
  try {
    if (output === 'seen') return rgbOf(await result.seen());
    const [channels, height, width] = result.shape;
    const bytes = await readBuffer(device, result.pixelValues, 4 * channels * height * width);
    return { values: new Float32Array(bytes), shape: result.shape };
  } finally {
    result.destroy();
  }
}

function rgbOf({ data, width, height }: Pixels): Processed {
  return { values: data.filter((_, i) => i % 4 !== 3), shape: [height, width, 3] };
}

/** The elements that a Python slice of whole and stepped axes names, as `:, ::7, ::7`. */
function sliced(values: ArrayLike<number>, shape: readonly number[], slice: string): number[] {
  const steps = slice.split(',').map((axis) => {
    const match = /^:(?::([1-9]\d*))?$/.exec(axis.trim());
    if (!match) throw new Error(`The slice [${slice}] is not known.`);
    return Number(match[1] ?? 1);
  });
  if (steps.length !== shape.length)
    throw new Error(`The slice [${slice}] does not fit [${shape.join(', ')}].`);
  let offsets = [0];
  shape.forEach((size, axis) => {
    const step = steps[axis]!;
    const taken = Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
    offsets = offsets.flatMap((offset) => taken.map((at) => offset * size + at));
  });
  return offsets.map((offset) => values[offset]!);
}
