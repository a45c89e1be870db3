/**
 * The modules beside the network, on the hand-written kernels: proprio and noisy-action projectors, the action head
 * and the DDIM step. On a GPU runtime tensors stay on the GPU; else the kernels' twins run.
 */
import type { DdimSchedule } from '../kernels/ddim-schedule.ts';
import { ddimStep as ddimStepCpu } from '../kernels/ddim-step.cpu.ts';
import { ddimStep as ddimStepGpu } from '../kernels/ddim-step.ts';
import type { Matrix } from '../kernels/dense.ts';
import { GpuRun } from '../kernels/gpu-run.ts';
import {
  cpuDense,
  mlp2,
  mlpResNet,
  runOnGpu,
  uploadWeights,
  withoutPrefix,
  type DenseBackend,
  type DenseWeights,
} from '../kernels/mlp.ts';
import { sizeOf, type Shape } from '../graph/types.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { decodeFloat32 } from '../weights/encoding.ts';
import type { WeightSource } from './loaded-weights.ts';

/** Inputs stay the caller's; results are the caller's to dispose. */
export interface Modules {
  /** Normalised state [1, dim] → its token [1, 1, hidden]; null where the policy takes no proprio. */
  readonly proprio: ((state: Tensor) => Promise<Tensor>) | null;
  /** Noisy actions [1, chunk, dim] → one feature each [1, chunk · dim, hidden]; null but for diffusion. */
  readonly noisyActions: ((actions: Tensor) => Promise<Tensor>) | null;
  /** Hidden states [1, chunk · dim, hidden] → [1, chunk, dim]; null without a head. */
  readonly head: ((states: Tensor, chunkSize: number) => Promise<Tensor>) | null;
  /** x_t and the predicted noise → x_{t−1}, of the same shape. */
  ddimStep(sample: Tensor, noise: Tensor, schedule: DdimSchedule, step: number): Promise<Tensor>;
  dispose(): void;
}

type Dense = <T>(backend: DenseBackend<T>, weights: DenseWeights<T>, x: Matrix<T>) => Matrix<T>;

export async function loadModules(source: WeightSource, runtime: Runtime): Promise<Modules> {
  const opened: (() => void)[] = [];
  const dispose = () => {
    for (const destroy of opened) destroy();
  };
  /** x seen as a matrix of `columns` columns → the network's output, seen as `shape`. */
  const open = async (prefix: string, network: Dense) => {
    const weights = await readWeights(source, prefix);
    if (!weights) return null;
    const { device } = runtime;
    const onGpu = device && uploadWeights(device, weights);
    if (onGpu) opened.push(onGpu.destroy);
    return async (x: Tensor, columns: number, shape: (width: number) => Shape): Promise<Tensor> => {
      const rows = sizeOf(x.shape) / columns;
      const buffer = runtime.gpuBuffer(x);
      if (device && onGpu && buffer) {
        const run = (backend: DenseBackend<GPUBuffer>, input: Matrix<GPUBuffer>) =>
          network(backend, onGpu.weights, input);
        const result = runOnGpu(device, { data: buffer, rows, columns }, run);
        return runtime.adopt(result.data, shape(result.columns));
      }
      const result = network(cpuDense, weights, { data: await runtime.read(x), rows, columns });
      return runtime.upload(result.data, shape(result.columns));
    };
  };
  try {
    const proprio = await open('proprio_projector.', mlp2);
    const noisyActions = await open('noisy_action_projector.', mlp2);
    const head =
      (await open('action_head.model.', mlpResNet)) ??
      (await open('action_head.noise_predictor.mlp_resnet.', mlpResNet));
    return {
      proprio: proprio && ((state) => proprio(state, state.shape[1]!, (width) => [1, 1, width])),
      noisyActions:
        noisyActions && ((actions) => noisyActions(actions, 1, (width) => [1, sizeOf(actions.shape), width])),
      head:
        head &&
        ((states, chunkSize) =>
          head(states, sizeOf(states.shape) / chunkSize, (width) => [1, chunkSize, width])),
      ddimStep: (sample, noise, schedule, step) => ddimStep(runtime, sample, noise, schedule, step),
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

async function ddimStep(
  runtime: Runtime,
  sample: Tensor,
  noise: Tensor,
  schedule: DdimSchedule,
  step: number,
): Promise<Tensor> {
  const [sampleBuffer, noiseBuffer] = [runtime.gpuBuffer(sample), runtime.gpuBuffer(noise)];
  if (runtime.device && sampleBuffer && noiseBuffer) {
    const run = new GpuRun(runtime.device, 'ddim');
    const next = ddimStepGpu(run, sampleBuffer, noiseBuffer, sizeOf(sample.shape), schedule, step);
    run.keep(next);
    run.submit();
    return runtime.adopt(next, sample.shape);
  }
  const next = ddimStepCpu(await runtime.read(sample), await runtime.read(noise), schedule, step);
  return runtime.upload(next, sample.shape);
}

async function readWeights(source: WeightSource, prefix: string): Promise<DenseWeights<Float32Array> | null> {
  const names = source.names.filter((name) => name.startsWith(prefix));
  if (names.length === 0) return null;
  const weights: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  for (const name of names) {
    const weight = await source.load(name);
    weights[name] = { shape: weight.shape, data: decodeFloat32(weight) };
  }
  return withoutPrefix(weights, prefix);
}
