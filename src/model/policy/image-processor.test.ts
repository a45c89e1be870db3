import { describe, expect, it } from 'vitest';
import { difference } from '../../../tests/setup/compare.ts';
import { loadJson } from '../../../tests/setup/fixture.ts';
import { describeGpu, withoutGpuErrors } from '../../../tests/setup/gpu.ts';
import { loadSafetensors, type GoldenTensor } from '../../../tests/setup/safetensors.ts';
import { ModelError } from '../../base/errors.ts';
import { readBuffer } from '../kernels/gpu-run.ts';
import type { Pixels } from '../kernels/pixels.ts';
import { createGpuImageProcessor } from './image-processor.gpu.ts';
import type { ImageProcessorOptions } from './image-processor-plan.ts';
import { createImageProcessor, type ImageBytes, type ProcessedImage } from './image-processor.ts';

const preprocess = await loadSafetensors('tests/golden/preprocess/preprocess.safetensors');
const config = await loadJson<Record<string, unknown>>('tests/golden/preprocess/preprocessor_config.json');

const NOTHING: ImageProcessorOptions = { centerCrop: false, policyResize: false };
const CROP: ImageProcessorOptions = { centerCrop: true, policyResize: false };
const RESIZE: ImageProcessorOptions = { centerCrop: false, policyResize: true };
const ALL: ImageProcessorOptions = { centerCrop: true, policyResize: true };

/** What upstream derives for a single SigLIP backbone with another resize strategy. */
const siglip = (strategy: string) => ({
  image_resize_strategy: strategy,
  input_sizes: [[3, 224, 224]],
  interpolations: ['bicubic'],
  means: [[0.5, 0.5, 0.5]],
  stds: [[0.5, 0.5, 0.5]],
});

const STAGES = [0, 1, 2, 3].flatMap((i) => [
  { name: `processor/${i}/resized_u8`, raw: `raw/${i}`, config, options: NOTHING, tolerance: 0 },
  // The goldens are a numpy re-implementation of TensorFlow's kernels: one byte by order of summation.
  { name: `policy_resize_nojpeg/${i}`, raw: `raw/${i}`, config, options: RESIZE, tolerance: 1 },
  { name: `pipeline_nojpeg/${i}`, raw: `raw/${i}`, config, options: ALL, tolerance: 1 },
  ...(i === 1 ? [] : [{ name: `center_crop/${i}`, raw: `raw/${i}`, config, options: CROP, tolerance: 1 }]),
]);
for (const strategy of ['letterbox', 'resize-crop']) {
  const name = `strategy/${strategy}/3`;
  STAGES.push({ name, raw: 'raw/3', config: siglip(strategy), options: NOTHING, tolerance: 0 });
}

const CASES = ['libero-l1', 'siglip-only-l1', 'libero-diffusion', 'aloha-film-l1', 'discrete'];

/** f32 planes; the golden README's bound for the processor's output. */
const PLANES_TOLERANCE = 5e-5;

const rgbImage = ({ u8, shape }: GoldenTensor): ImageBytes => ({
  width: shape[1]!,
  height: shape[0]!,
  data: u8,
});
const rgbOf = ({ data }: Pixels): Uint8ClampedArray => data.filter((_, i) => i % 4 !== 3);

/** [:, ::7, ::7] of [channels, 224, 224], as the goldens hold it. */
function everySeventh(values: Float32Array): number[] {
  const picked: number[] = [];
  for (let plane = 0; plane < values.length / (224 * 224); plane++) {
    for (let y = 0; y < 224; y += 7) {
      for (let x = 0; x < 224; x += 7) picked.push(values[(plane * 224 + y) * 224 + x]!);
    }
  }
  return picked;
}

async function loadCase(folder: string) {
  const io = await loadSafetensors(`tests/golden/${folder}/io.safetensors`);
  const meta = await loadJson<{ center_crop: boolean; spec: { n_img: number } }>(
    `tests/golden/${folder}/meta.json`,
  );
  const images = meta.spec.n_img;
  const pixelValues = io('pixel_values');
  const channels = pixelValues.shape[1]! / images;
  const size = pixelValues.f32.length / images;
  return {
    config: await loadJson(`tests/golden/${folder}/preprocessor_config.json`),
    options: { centerCrop: meta.center_crop, policyResize: false },
    channels,
    images: Array.from({ length: images }, (_, i) => ({
      raw: rgbImage(io(`images/${i}`)),
      seen: meta.center_crop ? io(`images_center_cropped/${i}`).u8 : io(`images/${i}`).u8,
      pixelValues: pixelValues.f32.slice(i * size, (i + 1) * size),
    })),
  };
}

describe('image processor twin', () => {
  it.each(STAGES)('$name', ({ name, raw, config: json, options, tolerance }) => {
    const { seen } = createImageProcessor(json, options).process(rgbImage(preprocess(raw)));
    expect(rgbOf(seen)).toBeNear(preprocess(name).u8, tolerance, name);
  });

  it.each([0, 1, 2, 3])('pixel values of raw/%i, DINOv2 planes first', (i) => {
    const { pixelValues, shape } = createImageProcessor(config, NOTHING).process(
      rgbImage(preprocess(`raw/${i}`)),
    );
    expect(shape).toEqual([6, 224, 224]);
    const expected = preprocess(`processor/${i}/pixel_values[:, ::7, ::7]`).f32;
    expect(everySeventh(pixelValues)).toBeNear(expected, PLANES_TOLERANCE);
  });

  it('falls back to means and stds where a config holds no tvf_normalize_params', () => {
    const { tvf_normalize_params: _, ...bare } = config;
    const { pixelValues } = createImageProcessor(bare, NOTHING).process(rgbImage(preprocess('raw/0')));
    const expected = preprocess('processor/0/pixel_values_exact_meanstd[:, ::7, ::7]').f32;
    expect(everySeventh(pixelValues)).toBeNear(expected, PLANES_TOLERANCE);
  });

  it.each(CASES)('%s: image, crop and planes', async (golden) => {
    const { config: json, options, channels, images } = await loadCase(golden);
    for (const image of images) {
      const result = createImageProcessor(json, options).process(image.raw);
      expect(result.shape).toEqual([channels, image.raw.height, image.raw.width]);
      expect(rgbOf(result.seen)).toBeNear(image.seen, 0, 'seen');
      expect(result.pixelValues).toBeNear(image.pixelValues, PLANES_TOLERANCE, 'pixel_values');
    }
  });

  it('takes RGBA as it takes RGB, whatever the alpha', () => {
    const rgb = rgbImage(preprocess('raw/0'));
    const data = new Uint8ClampedArray(rgb.width * rgb.height * 4).map((_, i) =>
      i % 4 === 3 ? 7 : rgb.data[Math.floor(i / 4) * 3 + (i % 4)]!,
    );
    const processor = createImageProcessor(config, ALL);
    const [a, b] = [processor.process(rgb), processor.process({ ...rgb, data })];
    expect(b.seen.data).toBeNear(a.seen.data, 0);
    expect(b.pixelValues).toBeNear(a.pixelValues, 0);
  });

  it('refuses bytes that are no image and configs that are none', () => {
    const processor = createImageProcessor(config, NOTHING);
    expect(() => processor.process({ width: 4, height: 4, data: new Uint8Array(17) })).toThrow(
      /17 bytes for 4 x 4/,
    );
    expect(() => processor.process({ width: 0, height: 4, data: new Uint8Array(0) })).toThrow(ModelError);
    for (const broken of [null, {}, { ...config, input_sizes: [[3, 0, 224]] }, siglip('stretch')]) {
      expect(() => createImageProcessor(broken, NOTHING)).toThrow(
        expect.objectContaining({ code: 'bad-package' }),
      );
    }
    const nearest = { ...siglip('resize-naive'), interpolations: ['nearest'] };
    expect(() => createImageProcessor(nearest, NOTHING)).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
  });
});

/**
 * How a GPU result differs from the twin's, or null. Planes follow from the bytes beside them, so they are compared
 * where those are equal.
 */
function mismatch(actual: ProcessedImage, expected: ProcessedImage, bytes: 0 | 1): string | null {
  const count = expected.shape[1] * expected.shape[2];
  const comparable = expected.pixelValues.map((value, i) => {
    const byte = (i % count) * 4 + (Math.floor(i / count) % 3);
    return actual.seen.data[byte] === expected.seen.data[byte] ? value : actual.pixelValues[i]!;
  });
  return (
    difference(actual.shape, expected.shape, 0, 'shape') ??
    difference(actual.seen.data, expected.seen.data, bytes, 'seen') ??
    difference(actual.pixelValues, comparable, 1e-6, 'planes')
  );
}

describeGpu('image processor', (device) => {
  async function onGpu(
    json: unknown,
    options: ImageProcessorOptions,
    source: ImageBytes | GPUTexture | ImageBitmap,
  ) {
    return withoutGpuErrors(device, async () => {
      const result = createGpuImageProcessor(device, json, options).process(source);
      const pixelValues = new Float32Array(
        await readBuffer(device, result.pixelValues, result.shape[0] * result.shape[1] * result.shape[2] * 4),
      );
      const seen = await result.seen();
      result.destroy();
      return { seen, pixelValues, shape: result.shape };
    });
  }

  it.each(STAGES)('$name', async ({ name, raw, config: json, options, tolerance }) => {
    const image = rgbImage(preprocess(raw));
    const actual = await onGpu(json, options, image);
    expect(rgbOf(actual.seen)).toBeNear(preprocess(name).u8, tolerance, name);
    expect(
      mismatch(actual, createImageProcessor(json, options).process(image), tolerance === 0 ? 0 : 1),
    ).toBeNull();
  });

  it.each(CASES)('%s: image, crop and planes, one tensor for all images', async (golden) => {
    const { config: json, options, channels, images } = await loadCase(golden);
    const size = images[0]!.pixelValues.length;
    const target = device.createBuffer({
      label: 'pixel values of all images',
      size: size * images.length * 4,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
    });
    const processor = createGpuImageProcessor(device, json, options);
    for (const [i, image] of images.entries()) {
      const result = processor.process(image.raw, { buffer: target, offset: i * size });
      expect(result.shape[0]).toBe(channels);
      expect(rgbOf(await result.seen())).toBeNear(image.seen, options.centerCrop ? 1 : 0, 'seen');
      result.destroy();
    }
    const actual = new Float32Array(await readBuffer(device, target));
    target.destroy();
    // A byte that rounds the other way in the crop moves a plane by 1 / 255 / std.
    const tolerance = options.centerCrop ? 1 / 255 / 0.2236 + PLANES_TOLERANCE : PLANES_TOLERANCE;
    expect(actual).toBeNear(
      images.flatMap(({ pixelValues }) => [...pixelValues]),
      tolerance,
    );
    expect(() => processor.process(images[0]!.raw, { buffer: target, offset: size * images.length })).toThrow(
      expect.objectContaining({ code: 'bad-shape' }),
    );
  });

  it('takes a texture', async () => {
    const { seen } = createImageProcessor(config, NOTHING).process(rgbImage(preprocess('raw/3')));
    const texture = device.createTexture({
      label: 'test frame',
      size: [seen.width, seen.height],
      format: 'rgba8unorm',
      usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
    });
    device.queue.writeTexture({ texture }, seen.data, { bytesPerRow: seen.width * 4 }, [
      seen.width,
      seen.height,
    ]);
    const expected = createImageProcessor(config, ALL).process(seen);
    expect(mismatch(await onGpu(config, ALL, texture), expected, 1)).toBeNull();
    texture.destroy();
  });

  const inBrowser = typeof createImageBitmap === 'function';
  it.skipIf(!inBrowser)(
    'takes an ImageBitmap and a VideoFrame [Node has neither; runs in Chromium]',
    async () => {
      const { seen } = createImageProcessor(config, NOTHING).process(rgbImage(preprocess('raw/1')));
      const bitmap = await createImageBitmap(new ImageData(seen.data, seen.width, seen.height));
      expect(
        mismatch(await onGpu(config, CROP, bitmap), createImageProcessor(config, CROP).process(seen), 1),
      ).toBeNull();
      expect(
        mismatch(
          await onGpu(config, NOTHING, bitmap),
          createImageProcessor(config, NOTHING).process(seen),
          0,
        ),
      ).toBeNull();
      const frame = new VideoFrame(bitmap, { timestamp: 0 });
      const processor = createGpuImageProcessor(device, config, NOTHING);
      const result = processor.process(frame);
      // Chromium may carry the frame as YUV between here and the GPU, which costs a few levels.
      expect((await result.seen()).data).toBeNear(seen.data, 3, 'video frame');
      result.destroy();
      frame.close();
      bitmap.close();
      expect(() => processor.process(frame)).toThrow(/closed already/);
    },
  );
});
