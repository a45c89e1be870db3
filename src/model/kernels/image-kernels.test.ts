/** The image kernels against their twins, and the twins against formulas of their own. */
import { describe, expect, it } from 'vitest';
import { randomBytes } from '../../../tests/setup/compare.ts';
import { describeGpu, withoutGpuErrors } from '../../../tests/setup/gpu.ts';
import { copyWindow as copyWindowCpu } from './copy-window.cpu.ts';
import { copyWindow, type PixelWindow } from './copy-window.ts';
import { cropResize as cropResizeCpu } from './crop-resize.cpu.ts';
import { centerCropPositions, cropResize } from './crop-resize.ts';
import { GpuRun, readBuffer } from './gpu-run.ts';
import { normalizePixels as normalizePixelsCpu } from './normalize-pixels.cpu.ts';
import { normalizePixels } from './normalize-pixels.ts';
import type { GpuPixels, Pixels } from './pixels.ts';
import { resampleFloat as resampleFloatCpu } from './resample-float.cpu.ts';
import { resampleFloat } from './resample-float.ts';
import { pillowTable, tensorflowLanczosTable, type ResampleFilter } from './resample-table.ts';
import { resample as resampleCpu } from './resample.cpu.ts';
import { resample, type ResamplePass } from './resample.ts';
import { texturePixels } from './texture-pixels.ts';

function randomImage(width: number, height: number): Pixels {
  const data = randomBytes(width * height * 4, width);
  for (let i = 3; i < data.length; i += 4) data[i] = 255;
  return { width, height, data };
}

const SIZES = [
  [1, 1],
  [1, 9],
  [33, 17],
  [64, 48],
  [65, 130],
] as const;

const WINDOWS: PixelWindow[] = [
  { width: 1, height: 1, left: 0, top: 0, fill: [0, 0, 0] },
  { width: 17, height: 9, left: 5, top: 2, fill: [0, 0, 0] },
  { width: 70, height: 60, left: -3, top: -7, fill: [12, 130, 255] },
];

const NORMALIZATION = {
  mean: [0.484375, 0.455078125, 0.40625],
  std: [0.228515625, 0.2236328125, 0.224609375],
} as const;

describe('image twins', () => {
  it.each(['bilinear', 'bicubic', 'lanczos'] as ResampleFilter[])('%s weights sum to one', (filter) => {
    for (const [input, output] of [
      [7, 3],
      [3, 7],
      [640, 224],
      [224, 224],
      [5, 1],
    ] as const) {
      const { taps, weights, count } = pillowTable(input, output, filter);
      for (let i = 0; i < output; i++) {
        const sum = weights.slice(i * taps, i * taps + count[i]!).reduce((a, b) => a + b);
        expect(Math.abs(sum / 2 ** 22 - 1)).toBeLessThan(1e-5);
      }
    }
  });

  it('bilinear halving averages a triangle of four pixels', () => {
    const image = randomImage(8, 1);
    const pass: ResamplePass<Int32Array> = { axis: 'horizontal', table: pillowTable(8, 4, 'bilinear') };
    const { data } = resampleCpu(image, pass);
    const at = (x: number): number => image.data[x * 4]!;
    // Output 1 is centred on 3 with support 2: distances 1.5, 0.5, 0.5, 1.5 of 2.
    expect(data[4]).toBe(Math.floor(0.125 * at(1) + 0.375 * at(2) + 0.375 * at(3) + 0.125 * at(4) + 0.5));
  });

  it('resampleFloat is a weighted sum over both axes at once', () => {
    const image = randomImage(20, 30);
    const [rows, columns] = [tensorflowLanczosTable(30, 11), tensorflowLanczosTable(20, 25)];
    const { data } = resampleFloatCpu(image, rows, columns);
    const expected = Float64Array.from({ length: 11 * 25 * 4 }, (_, at) => {
      const [y, x, channel] = [Math.floor(at / 100), Math.floor(at / 4) % 25, at % 4];
      if (channel === 3) return 255;
      let sum = 0;
      for (let j = 0; j < rows.count[y]!; j++) {
        for (let k = 0; k < columns.count[x]!; k++) {
          const pixel = ((rows.start[y]! + j) * 20 + columns.start[x]! + k) * 4 + channel;
          sum +=
            image.data[pixel]! * rows.weights[y * rows.taps + j]! * columns.weights[x * columns.taps + k]!;
        }
      }
      return Math.min(Math.max(sum, 0), 255);
    });
    expect(data).toBeNear(expected, 0.501, 'half a byte of rounding');
  });

  it('cropResize keeps a constant image and samples the corners of the box', () => {
    const grey = { width: 9, height: 9, data: new Uint8ClampedArray(9 * 9 * 4).fill(77) };
    const positions = centerCropPositions(9, 5, Math.sqrt(0.9));
    expect(new Set(cropResizeCpu(grey, positions, positions).data)).toEqual(new Set([77, 255]));
    const margin = ((1 - Math.sqrt(0.9)) / 2) * 8;
    expect(positions).toBeNear(
      [0, 1, 2, 3, 4].map((i) => margin + (i * (8 - 2 * margin)) / 4),
      1e-6,
    );
  });

  it('normalizePixels is (x / 255 - mean) / std in planes', () => {
    const image = randomImage(5, 3);
    const planes = new Float32Array(50);
    normalizePixelsCpu(image, NORMALIZATION, planes, 2);
    const expected = Float64Array.from({ length: 45 }, (_, at) => {
      const channel = Math.floor(at / 15);
      const value = image.data[(at % 15) * 4 + channel]! / 255;
      return (value - NORMALIZATION.mean[channel]!) / NORMALIZATION.std[channel]!;
    });
    expect(planes.subarray(2, 47)).toBeNear(expected, 1e-6);
    expect([...planes.subarray(0, 2), ...planes.subarray(47)]).toEqual([0, 0, 0, 0, 0]);
  });

  it('refuses a size of nothing', () => {
    expect(() => pillowTable(0, 4, 'bicubic')).toThrow(/0 pixels to 4/);
    expect(() => tensorflowLanczosTable(4, 0.5)).toThrow(/4 pixels to 0.5/);
  });
});

describeGpu('image kernels', (device) => {
  async function onGpu(
    image: Pixels,
    work: (run: GpuRun, input: GpuPixels) => GpuPixels,
    byteLength?: number,
  ): Promise<Uint8Array> {
    return withoutGpuErrors(device, async () => {
      const run = new GpuRun(device, 'image test');
      const buffer = run.upload(new Uint8Array(image.data.buffer));
      const output = work(run, { ...image, buffer });
      run.keep(output.buffer);
      run.submit();
      const bytes = new Uint8Array(
        await readBuffer(device, output.buffer, byteLength ?? output.width * output.height * 4),
      );
      output.buffer.destroy();
      return bytes;
    });
  }

  it.each(SIZES)('resample %i x %i is exact', async (width, height) => {
    const image = randomImage(width, height);
    for (const [axis, input] of [
      ['horizontal', width],
      ['vertical', height],
    ] as const) {
      for (const [filter, output] of [
        ['bicubic', 24],
        ['lanczos', 7],
        ['bilinear', 90],
      ] as const) {
        const pass = { axis, table: pillowTable(input, output, filter) };
        const actual = await onGpu(image, (run, pixels) => resample(run, pixels, pass));
        expect(actual).toBeNear(resampleCpu(image, pass).data, 0, `${filter} ${axis} to ${output}`);
      }
    }
  });

  it.each(SIZES)('resample-float %i x %i is within one byte', async (width, height) => {
    const image = randomImage(width, height);
    const [rows, columns] = [tensorflowLanczosTable(height, 24), tensorflowLanczosTable(width, 31)];
    const actual = await onGpu(image, (run, pixels) => resampleFloat(run, pixels, rows, columns));
    expect(actual).toBeNear(resampleFloatCpu(image, rows, columns).data, 1);
  });

  it.each(SIZES)('crop-resize %i x %i is within one byte', async (width, height) => {
    const image = randomImage(width, height);
    const [columns, rows] = [centerCropPositions(width, 24, 0.95), centerCropPositions(height, 31, 0.95)];
    const actual = await onGpu(image, (run, pixels) => cropResize(run, pixels, columns, rows));
    expect(actual).toBeNear(cropResizeCpu(image, columns, rows).data, 1);
  });

  it.each(WINDOWS)('copy-window $width x $height at $left, $top is exact', async (window) => {
    const image = randomImage(64, 48);
    const actual = await onGpu(image, (run, pixels) => copyWindow(run, pixels, window));
    expect(actual).toBeNear(copyWindowCpu(image, window).data, 0);
  });

  it.each(SIZES)('normalize-pixels %i x %i', async (width, height) => {
    const image = randomImage(width, height);
    const count = width * height * 3;
    const planes = (run: GpuRun, pixels: GpuPixels) => {
      const buffer = run.temporary((count + 5) * 4);
      normalizePixels(run, pixels, NORMALIZATION, buffer, 5);
      return { width, height, buffer };
    };
    const bytes = await onGpu(image, planes, (count + 5) * 4);
    const expected = new Float32Array(count + 5);
    normalizePixelsCpu(image, NORMALIZATION, expected, 5);
    expect(new Float32Array(bytes.buffer)).toBeNear(expected, 1e-6);
  });

  it('texture-pixels reads bytes back as they were', async () => {
    const image = randomImage(33, 17);
    const texture = device.createTexture({
      label: 'texture test',
      size: [33, 17],
      format: 'rgba8unorm',
      usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
    });
    device.queue.writeTexture({ texture }, image.data, { bytesPerRow: 33 * 4 }, [33, 17]);
    expect(await onGpu(image, (run) => texturePixels(run, texture))).toBeNear(image.data, 0);
    texture.destroy();
  });
});
