/** Frames → the pixel tensor a policy takes, on the GPU where the runtime has one. */
import { ModelError } from '../../base/errors.ts';
import { headOf } from '../heads/index.ts';
import { createStorageBuffer } from '../kernels/gpu-run.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { createGpuImageProcessor, type GpuImageSource } from './image-processor.gpu.ts';
import { createImageProcessor, type ImageBytes } from './image-processor.ts';
import type { PolicyConfig } from './config.ts';

export interface SeenImage {
  readonly width: number;
  readonly height: number;
  /** RGBA, opaque. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export interface Observed {
  /** [images, 3 · backbones, H, W]; the caller disposes it. */
  readonly pixels: Tensor;
  /** What the model sees, per image. */
  readonly seen: readonly SeenImage[];
}

export interface Observer {
  /** @throws bad-input for fewer or more frames than the policy has images */
  observe(frames: readonly GpuImageSource[]): Promise<Observed>;
  /** What the model would see of any of its images. */
  see(frames: readonly GpuImageSource[]): Promise<readonly SeenImage[]>;
}

type Process = (frames: readonly GpuImageSource[]) => Promise<Observed>;

/** Reads any frame's pixels where there is no GPU to take them from; given by the host, as it needs a canvas. */
export type ReadPixels = (frame: VideoFrame | ImageBitmap) => ImageBytes;

export function createObserver(config: PolicyConfig, runtime: Runtime, readPixels: ReadPixels): Observer {
  // The original OpenVLA's code gives the processor the frame as it is; OpenVLA-OFT's resizes it first.
  const options = { centerCrop: config.centerCrop, policyResize: !headOf(config).generates };
  const wanted = config.profile.images;
  const { imageSize } = config.network.vits[0]!;
  const shapeOf = (images: number) => [images, 3 * config.network.vits.length, imageSize, imageSize];
  const perImage = 3 * config.network.vits.length * imageSize * imageSize;
  const check = (frames: readonly unknown[]) => {
    if (frames.length === wanted.length) return;
    throw new ModelError(
      'bad-input',
      `Needs ${wanted.length} images (${wanted.map(({ label }) => label).join(', ')}), but got ${frames.length}.`,
      'Connect a camera, a video or an image to every slot.',
    );
  };

  const observer = (process: Process): Observer => ({
    observe: async (frames) => {
      check(frames);
      return process(frames);
    },
    see: async (frames) => {
      const { pixels, seen } = await process(frames);
      pixels.dispose();
      return seen;
    },
  });

  const { device } = runtime;
  if (device) {
    const processor = createGpuImageProcessor(device, config.preprocessor, options);
    return observer(async (frames) => {
      const buffer = createStorageBuffer(device, 4 * perImage * frames.length, 'pixels');
      const pixels = runtime.adopt(buffer, shapeOf(frames.length));
      const results = [];
      try {
        for (const [i, frame] of frames.entries()) {
          results.push(processor.process(frame, { buffer, offset: i * perImage }));
        }
        const seen = [];
        for (const result of results) seen.push(await result.seen());
        return { pixels, seen };
      } catch (error) {
        pixels.dispose();
        throw error;
      } finally {
        for (const result of results) result.destroy();
      }
    });
  }

  const processor = createImageProcessor(config.preprocessor, options);
  return observer(async (frames) => {
    const values = new Float32Array(perImage * frames.length);
    const seen = frames.map((frame, i) => {
      const bytes = 'data' in frame ? frame : readPixels(frame as VideoFrame | ImageBitmap);
      const result = processor.process(bytes);
      values.set(result.pixelValues, i * perImage);
      return result.seen;
    });
    return { pixels: runtime.upload(values, shapeOf(frames.length)), seen };
  });
}
