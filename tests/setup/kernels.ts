/** What tests of kernels share: reading results back, and gradients by finite differences. */
import { GpuRun, readBuffer, uploadStorageBuffer } from '../../src/model/kernels/gpu-run.ts';
import type { DenseWeights } from '../../src/model/kernels/mlp.ts';
import { withoutGpuErrors } from './gpu.ts';

/**
 * Records and submits `work`, and reads the buffers it returns (with their numbers of floats), which may be any
 * temporaries of the run.
 */
export async function floatsOf(
  device: GPUDevice,
  work: (run: GpuRun) => readonly (readonly [GPUBuffer, number])[],
): Promise<Float32Array[]> {
  return withoutGpuErrors(device, async () => {
    const run = new GpuRun(device, 'test');
    const results = work(run);
    for (const [buffer] of results) run.keep(buffer);
    run.submit();
    const floats: Float32Array[] = [];
    for (const [buffer, count] of results) {
      floats.push(new Float32Array(await readBuffer(device, buffer, count * 4)));
      buffer.destroy();
    }
    return floats;
  });
}

/** The gradient of `f` at a point by central differences in float64. */
export function numericGradient(
  f: (values: Float64Array) => number,
  point: ArrayLike<number>,
  step = 1e-5,
): Float64Array {
  const values = Float64Array.from(point);
  return values.map((value, i) => {
    const [above, below] = [f(values.with(i, value + step)), f(values.with(i, value - step))];
    return (above - below) / (2 * step);
  });
}

/** The weights whose names start with `prefix` (such as `model.`), without it. */
export function withoutPrefix<T>(weights: DenseWeights<T>, prefix: string): DenseWeights<T> {
  const own = Object.entries(weights).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, weight]) => [name.slice(prefix.length), weight]));
}

/** Weights on the GPU; `destroy` frees them. */
export function uploadWeights(
  device: GPUDevice,
  weights: DenseWeights<Float32Array>,
): { weights: DenseWeights<GPUBuffer>; destroy: () => void } {
  const buffers: GPUBuffer[] = [];
  const destroy = (): void => {
    for (const buffer of buffers) buffer.destroy();
  };
  try {
    const uploaded = Object.entries(weights).map(([name, { shape, data }]) => {
      const buffer = uploadStorageBuffer(device, data, name);
      buffers.push(buffer);
      return [name, { shape, data: buffer }] as const;
    });
    return { weights: Object.fromEntries(uploaded), destroy };
  } catch (error) {
    destroy();
    throw error;
  }
}
