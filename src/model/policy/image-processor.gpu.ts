import { ModelError } from '../../base/errors.ts';
import { copyWindow } from '../kernels/copy-window.ts';
import { cropResize } from '../kernels/crop-resize.ts';
import { GpuRun, readBuffer } from '../kernels/gpu-run.ts';
import { normalizePixels } from '../kernels/normalize-pixels.ts';
import type { GpuPixels, Pixels } from '../kernels/pixels.ts';
import { resampleFloat } from '../kernels/resample-float.ts';
import { resample } from '../kernels/resample.ts';
import { texturePixels } from '../kernels/texture-pixels.ts';
import {
  parseImageProcessorConfig,
  planImage,
  type ImagePlan,
  type ImageProcessorOptions,
  type ImageStage,
} from './image-processor-plan.ts';
import { opaquePixels, type ImageBytes } from './image-processor.ts';

/** A texture needs an 8-bit unorm format and TEXTURE_BINDING. Frames and textures stay the caller's to close. */
export type GpuImageSource = ImageBytes | GPUTexture | VideoFrame | ImageBitmap;

export interface GpuProcessedImage {
  /** [channels, height, width] f32; the caller's own where it gave a target, else freed by {@link destroy}. */
  readonly pixelValues: GPUBuffer;
  readonly shape: readonly [channels: number, height: number, width: number];
  /** What the (first) backbone sees, read from the GPU when asked for; RGBA, opaque. */
  seen(): Promise<Pixels>;
  /** Frees the buffers of this result. */
  destroy(): void;
}

/** A storage buffer, and the float in it from which on an image's planes are written. */
export interface ImageTarget {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

export interface GpuImageProcessor {
  /**
   * Submits the work for one image and returns at once.
   *
   * @param target where to write, so that the images of one observation go into one tensor.
   * @throws ModelError `bad-input` for a frame without pixels, `bad-shape` where the target is too small.
   */
  process(source: GpuImageSource, target?: ImageTarget): GpuProcessedImage;
}

/** Plans kept per processor; a page has a few cameras with one size each. */
const MAX_PLANS = 8;

/**
 * Upstream's image processing on the GPU. Bytes equal the twin's (image-processor.ts), but for the policy resize
 * and the center crop, whose f32 sums a GPU may fuse: there they may differ by one.
 *
 * @param preprocessorConfig upstream's preprocessor_config.json.
 * @throws ModelError `bad-package` or `unsupported` for a config that is none.
 */
export function createGpuImageProcessor(
  device: GPUDevice,
  preprocessorConfig: unknown,
  options: ImageProcessorOptions,
): GpuImageProcessor {
  const config = parseImageProcessorConfig(preprocessorConfig);
  const plans = new Map<string, ImagePlan>();
  const planFor = (width: number, height: number): ImagePlan => {
    const key = `${width}x${height}`;
    const plan = plans.get(key) ?? planImage(config, width, height, options);
    if (!plans.has(key) && plans.size >= MAX_PLANS) plans.clear();
    plans.set(key, plan);
    return plan;
  };
  return {
    process(source, target) {
      const run = new GpuRun(device, 'image-processor');
      try {
        return processFrame(run, planFor, source, target);
      } catch (error) {
        run.discard();
        throw error;
      }
    },
  };
}

function processFrame(
  run: GpuRun,
  planFor: (width: number, height: number) => ImagePlan,
  source: GpuImageSource,
  target: ImageTarget | undefined,
): GpuProcessedImage {
  const { device } = run;
  const frame = upload(run, source);
  try {
    const plan = planFor(frame.pixels.width, frame.pixels.height);
    const { width, height } = plan.backbones[0]!;
    const floats = plan.channels * width * height;
    if (target && target.buffer.size < (target.offset + floats) * 4) {
      throw new ModelError(
        'bad-shape',
        `The target holds ${target.buffer.size} bytes; ${floats} floats from ${target.offset} on do not fit.`,
      );
    }
    const pixelValues = target?.buffer ?? run.temporary(floats * 4, 'pixel values');
    const common = runStages(run, frame.pixels, plan.common);
    const seen: GpuPixels[] = [];
    for (const [i, backbone] of plan.backbones.entries()) {
      const bytes =
        backbone.sameAs === null ? runStages(run, common, backbone.stages) : seen[backbone.sameAs]!;
      seen.push(bytes);
      const offset = (target?.offset ?? 0) + 3 * i * width * height;
      normalizePixels(run, bytes, backbone.normalization, pixelValues, offset);
    }
    const shown = run.keep(seen[0]!.buffer);
    if (!target) run.keep(pixelValues);
    run.submit();
    return {
      pixelValues,
      shape: [plan.channels, height, width],
      seen: async () => ({
        width,
        height,
        data: new Uint8ClampedArray(await readBuffer(device, shown, width * height * 4)),
      }),
      destroy() {
        shown.destroy();
        if (!target) pixelValues.destroy();
      },
    };
  } finally {
    frame.destroy();
  }
}

/** The source as packed pixels, and what frees the texture it went through. */
function upload(run: GpuRun, source: GpuImageSource): { pixels: GpuPixels; destroy: () => void } {
  if ('data' in source) return { pixels: uploadBytes(run, source), destroy: () => {} };
  if ('createView' in source) return { pixels: texturePixels(run, source), destroy: () => {} };
  const isVideo = 'displayWidth' in source;
  const width = isVideo ? source.displayWidth : source.width;
  const height = isVideo ? source.displayHeight : source.height;
  if (width === 0 || height === 0) {
    throw new ModelError(
      'bad-input',
      'The frame has no pixels; it was closed already.',
      'Send each frame once.',
    );
  }
  const texture = run.device.createTexture({
    label: 'camera frame',
    size: [width, height],
    format: 'rgba8unorm',
    // copyExternalImageToTexture draws, hence RENDER_ATTACHMENT.
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT,
  });
  try {
    run.device.queue.copyExternalImageToTexture({ source }, { texture }, [width, height]);
  } catch (error) {
    texture.destroy();
    if (!isVideo) throw error;
    // Chromium 156 on SwiftShader refuses video frames: "Failed to copy content from video element".
    return { pixels: uploadBytes(run, drawnPixels(source, width, height)), destroy: () => {} };
  }
  return { pixels: texturePixels(run, texture), destroy: () => texture.destroy() };
}

function uploadBytes(run: GpuRun, image: ImageBytes): GpuPixels {
  const { width, height, data } = opaquePixels(image);
  return { width, height, buffer: run.upload(new Uint8Array(data.buffer), 'frame') };
}

/** The frame's pixels by way of a 2D canvas: slower, and works everywhere. */
function drawnPixels(frame: VideoFrame, width: number, height: number): ImageBytes {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context)
    throw new ModelError('unsupported', 'This browser gives no 2D canvas to read a video frame with.');
  context.drawImage(frame, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function runStages(run: GpuRun, image: GpuPixels, stages: readonly ImageStage[]): GpuPixels {
  return stages.reduce((pixels, stage) => runStage(run, pixels, stage), image);
}

function runStage(run: GpuRun, pixels: GpuPixels, stage: ImageStage): GpuPixels {
  switch (stage.kind) {
    case 'policy-resize':
      return resampleFloat(run, pixels, stage.rows, stage.columns);
    case 'center-crop':
      return cropResize(run, pixels, stage.columns, stage.rows);
    case 'window':
      return copyWindow(run, pixels, stage.window);
    default:
      return resample(run, pixels, stage.pass);
  }
}
