import { ModelError } from '../../base/errors.ts';
import { copyWindow } from '../kernels/copy-window.cpu.ts';
import { cropResize } from '../kernels/crop-resize.cpu.ts';
import { normalizePixels } from '../kernels/normalize-pixels.cpu.ts';
import { blank, type Pixels } from '../kernels/pixels.ts';
import { resampleFloat } from '../kernels/resample-float.cpu.ts';
import { resample } from '../kernels/resample.cpu.ts';
import {
  parseImageProcessorConfig,
  planImage,
  type ImageProcessorOptions,
  type ImageStage,
} from './image-processor-plan.ts';

/** An image of 8-bit RGB or RGBA rows; which of them follows from the length of `data`. Alpha is ignored. */
export interface ImageBytes {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

export interface ProcessedImage {
  /** What the (first) backbone sees, before normalisation; RGBA, opaque. */
  readonly seen: Pixels;
  /** [channels, height, width] f32: three planes per backbone, in the order of the config. */
  readonly pixelValues: Float32Array<ArrayBuffer>;
  readonly shape: readonly [channels: number, height: number, width: number];
}

export interface ImageProcessor {
  /** @throws ModelError `bad-input` unless `data` holds width x height pixels of 3 or 4 bytes. */
  process(image: ImageBytes): ProcessedImage;
}

/**
 * Upstream's image processing in plain TypeScript; the oracle of image-processor.gpu.ts.
 *
 * @param preprocessorConfig upstream's preprocessor_config.json.
 * @throws ModelError `bad-package` or `unsupported` for a config that is none.
 */
export function createImageProcessor(
  preprocessorConfig: unknown,
  options: ImageProcessorOptions,
): ImageProcessor {
  const config = parseImageProcessorConfig(preprocessorConfig);
  return {
    process(image) {
      const plan = planImage(config, image.width, image.height, options);
      const common = runStages(opaquePixels(image), plan.common);
      const { width, height } = plan.backbones[0]!;
      const pixelValues = new Float32Array(plan.channels * width * height);
      const seen: Pixels[] = [];
      for (const [i, backbone] of plan.backbones.entries()) {
        const bytes = backbone.sameAs === null ? runStages(common, backbone.stages) : seen[backbone.sameAs]!;
        seen.push(bytes);
        normalizePixels(bytes, backbone.normalization, pixelValues, 3 * i * width * height);
      }
      return { seen: seen[0]!, pixelValues, shape: [plan.channels, height, width] };
    },
  };
}

/** Alpha 255 in a little-endian RGBA word, as every platform with WebGPU or WASM threads has it. */
const OPAQUE = 0xff000000;

/** A copy with four bytes a pixel and alpha 255. */
export function opaquePixels(image: ImageBytes): Pixels {
  const { width, height, data } = image;
  const count = width * height;
  const stride = data.length / count;
  if (!Number.isInteger(width) || !Number.isInteger(height) || count < 1 || (stride !== 3 && stride !== 4)) {
    throw new ModelError(
      'bad-input',
      `The image has ${data.length} bytes for ${width} x ${height} pixels; 3 or 4 bytes a pixel are expected.`,
      'Pass RGB or RGBA bytes, row by row.',
    );
  }
  const pixels = blank(width, height);
  const out = pixels.data;
  if (stride === 4) {
    out.set(data);
    const words = new Uint32Array(out.buffer);
    for (let i = 0; i < count; i++) words[i]! |= OPAQUE;
    return pixels;
  }
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    out[to] = data[from]!;
    out[to + 1] = data[from + 1]!;
    out[to + 2] = data[from + 2]!;
  }
  return pixels;
}

function runStages(image: Pixels, stages: readonly ImageStage[]): Pixels {
  return stages.reduce(runStage, image);
}

function runStage(pixels: Pixels, stage: ImageStage): Pixels {
  switch (stage.kind) {
    case 'policy-resize':
      return resampleFloat(pixels, stage.rows, stage.columns);
    case 'center-crop':
      return cropResize(pixels, stage.columns, stage.rows);
    case 'window':
      return copyWindow(pixels, stage.window);
    default:
      return resample(pixels, stage.pass);
  }
}
