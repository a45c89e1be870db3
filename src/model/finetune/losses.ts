/** The losses on tensors: kernels where there is a GPU, else their twins. */
import { sizeOf } from '../graph/types.ts';
import { addNoise as addNoiseCpu } from '../kernels/add-noise.cpu.ts';
import { addNoise as addNoiseGpu } from '../kernels/add-noise.ts';
import { crossEntropy as crossEntropyCpu } from '../kernels/cross-entropy.cpu.ts';
import { crossEntropy as crossEntropyGpu } from '../kernels/cross-entropy.ts';
import type { DdimSchedule } from '../kernels/ddim-schedule.ts';
import { createStorageBuffer, GpuRun, readBuffer } from '../kernels/gpu-run.ts';
import { regressionLoss as regressionLossCpu, type RegressionLoss } from '../kernels/regression-loss.cpu.ts';
import { regressionLoss as regressionLossGpu } from '../kernels/regression-loss.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';

export interface Loss {
  /** Of the prediction, times the factor; the caller disposes it. */
  readonly gradient: Tensor;
  /** Times the factor. To be read once. */
  value(): Promise<number>;
}

/** Mean absolute or mean squared error of a prediction [B, chunk, dim] against as many numbers. */
export async function regressionLoss(
  runtime: Runtime,
  kind: RegressionLoss,
  prediction: Tensor,
  target: Float32Array,
  factor: number,
): Promise<Loss> {
  const count = sizeOf(prediction.shape);
  const buffer = runtime.gpuBuffer(prediction);
  if (runtime.device && buffer) {
    return onGpu(runtime, runtime.device, prediction, (run, loss) =>
      regressionLossGpu(run, kind, buffer, run.upload(target, 'target'), count, factor, loss),
    );
  }
  return onCpu(runtime, prediction, (loss) =>
    regressionLossCpu(kind, runtime.view(prediction)!, target, factor, loss),
  );
}

/** Softmax cross-entropy, mean over the rows of logits [B, rows, vocabulary]. */
export async function crossEntropyLoss(
  runtime: Runtime,
  logits: Tensor,
  targets: readonly number[],
  factor: number,
): Promise<Loss> {
  const columns = logits.shape.at(-1)!;
  const size = { rows: sizeOf(logits.shape) / columns, columns };
  const buffer = runtime.gpuBuffer(logits);
  if (runtime.device && buffer) {
    return onGpu(
      runtime,
      runtime.device,
      logits,
      (run, loss) => crossEntropyGpu(run, { data: buffer, ...size }, targets, factor, loss).data,
    );
  }
  return onCpu(
    runtime,
    logits,
    (loss) => crossEntropyCpu({ data: runtime.view(logits)!, ...size }, targets, factor, loss).data,
  );
}

/** √ᾱ · actions + √(1 − ᾱ) · noise with a timestep per sample, as a tensor [B, chunk, dim]. */
export async function addNoise(
  runtime: Runtime,
  schedule: DdimSchedule,
  actions: Float32Array,
  noise: Float32Array,
  timesteps: readonly number[],
  [chunk, dim]: readonly [number, number],
): Promise<Tensor> {
  const shape = [timesteps.length, chunk, dim];
  if (!runtime.device) {
    return runtime.upload(addNoiseCpu(actions, noise, chunk * dim, schedule, timesteps), shape);
  }
  const run = new GpuRun(runtime.device, 'add noise');
  const inputs = [run.upload(actions, 'actions'), run.upload(noise, 'noise')] as const;
  const noisy = run.keep(addNoiseGpu(run, ...inputs, chunk * dim, schedule, timesteps));
  run.submit();
  return runtime.adopt(noisy, shape);
}

function onCpu(runtime: Runtime, of: Tensor, kernel: (loss: Float32Array) => Float32Array): Loss {
  const loss = new Float32Array(1);
  const gradient = runtime.upload(kernel(loss), of.shape);
  return { gradient, value: async () => loss[0]! };
}

function onGpu(
  runtime: Runtime,
  device: GPUDevice,
  of: Tensor,
  kernel: (run: GpuRun, loss: GPUBuffer) => GPUBuffer,
): Loss {
  const loss = createStorageBuffer(device, 4, 'loss');
  const run = new GpuRun(device, 'loss');
  const gradient = runtime.adopt(run.keep(kernel(run, loss)), of.shape);
  run.submit();
  return {
    gradient,
    value: async () => {
      const [value] = new Float32Array(await readBuffer(device, loss, 4));
      loss.destroy();
      return value!;
    },
  };
}
