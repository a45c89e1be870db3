/**
 * The modules beside the network, on the hand-written kernels: proprio and noisy-action projectors, the action head
 * and the DDIM step. On a GPU runtime tensors stay on the GPU; else the kernels' twins run.
 */
import { ModelError } from '../errors.ts';
import { sizeOf, type Shape } from '../graph/types.ts';
import type { DdimSchedule } from '../kernels/ddim-schedule.ts';
import { ddimStep as ddimStepCpu } from '../kernels/ddim-step.cpu.ts';
import { ddimStep as ddimStepGpu } from '../kernels/ddim-step.ts';
import type { Matrix } from '../kernels/dense.ts';
import { createStorageBuffer, GpuRun } from '../kernels/gpu-run.ts';
import { mlp2Backward, mlpResNetBackward } from '../kernels/mlp-backward.ts';
import {
  cpuDense,
  gpuDense,
  mlp2,
  mlpResNet,
  runOnGpu,
  type DenseBackend,
  type DenseWeights,
} from '../kernels/mlp.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import type { WeightStore } from './adapter.ts';
import { isModuleWeight } from './loaded-weights.ts';
import type { Tape } from './tape.ts';

interface Network {
  forward: <T>(backend: DenseBackend<T>, weights: DenseWeights<T>, x: Matrix<T>) => Matrix<T>;
  backward: typeof mlp2Backward;
}

const MLP2: Network = { forward: mlp2, backward: mlp2Backward };
const MLP_RES_NET: Network = { forward: mlpResNet, backward: mlpResNetBackward };

/** One module and the names of its weights, without their prefix. */
interface Part {
  readonly prefix: string;
  readonly names: readonly string[];
  readonly network: Network;
}

/** Inputs stay the caller's; results are the caller's to dispose (with a tape: to release to it). */
export class Modules {
  readonly #runtime: Runtime;
  readonly #weights: WeightStore;
  readonly #proprio: Part | null;
  readonly #noisyActions: Part | null;
  readonly #head: Part | null;

  /**
   * @param names of all weights there are
   * @param weights the base's, or an adapter's over them
   */
  constructor(runtime: Runtime, names: readonly string[], weights: WeightStore) {
    this.#runtime = runtime;
    this.#weights = weights;
    const part = (prefix: string, network: Network): Part | null => {
      const own = names.filter((name) => name.startsWith(prefix) && isModuleWeight(name));
      return own.length > 0 ? { prefix, names: own.map((name) => name.slice(prefix.length)), network } : null;
    };
    this.#proprio = part('proprio_projector.', MLP2);
    this.#noisyActions = part('noisy_action_projector.', MLP2);
    this.#head =
      part('action_head.model.', MLP_RES_NET) ?? part('action_head.noise_predictor.mlp_resnet.', MLP_RES_NET);
  }

  /** Normalised states [B, dim] → a token each [B, 1, hidden]; null where the policy takes no proprio. */
  async proprio(states: Tensor, tape?: Tape): Promise<Tensor | null> {
    const [batch, dim] = states.shape as [number, number];
    return this.#proprio && this.#run(this.#proprio, states, dim, (width) => [batch, 1, width], tape);
  }

  /** Noisy actions [B, chunk, dim] → one feature each [B, chunk · dim, hidden]. */
  async noisyActions(actions: Tensor, tape?: Tape): Promise<Tensor> {
    const batch = actions.shape[0]!;
    const count = sizeOf(actions.shape) / batch;
    return this.#run(present(this.#noisyActions), actions, 1, (width) => [batch, count, width], tape);
  }

  /** Hidden states [B, chunk · dim, hidden] → [B, chunk, dim]. */
  async head(states: Tensor, chunkSize: number, tape?: Tape): Promise<Tensor> {
    const batch = states.shape[0]!;
    const columns = sizeOf(states.shape) / batch / chunkSize;
    return this.#run(present(this.#head), states, columns, (width) => [batch, chunkSize, width], tape);
  }

  /** x_t and the predicted noise → x_{t−1}, of the same shape. */
  async ddimStep(sample: Tensor, noise: Tensor, schedule: DdimSchedule, step: number): Promise<Tensor> {
    const runtime = this.#runtime;
    const [sampleBuffer, noiseBuffer] = [runtime.gpuBuffer(sample), runtime.gpuBuffer(noise)];
    if (runtime.device && sampleBuffer && noiseBuffer) {
      const run = new GpuRun(runtime.device, 'ddim');
      const next = ddimStepGpu(run, sampleBuffer, noiseBuffer, sizeOf(sample.shape), schedule, step);
      run.keep(next);
      run.submit();
      return runtime.adopt(next, sample.shape);
    }
    const next = ddimStepCpu(runtime.view(sample)!, runtime.view(noise)!, schedule, step);
    return runtime.upload(next, sample.shape);
  }

  /** x seen as a matrix of `columns` columns → the network's output, seen as `shape`. */
  async #run(
    part: Part,
    x: Tensor,
    columns: number,
    shape: (width: number) => Shape,
    tape: Tape | undefined,
  ): Promise<Tensor> {
    const runtime = this.#runtime;
    const rows = sizeOf(x.shape) / columns;
    const buffer = runtime.gpuBuffer(x);
    let output: Tensor;
    if (runtime.device && buffer) {
      const weights = this.#gather(part, (tensor) => runtime.gpuBuffer(tensor)!);
      const result = runOnGpu(runtime.device, { data: buffer, rows, columns }, (backend, input) =>
        part.network.forward(backend, weights, input),
      );
      output = runtime.adopt(result.data, shape(result.columns));
    } else {
      const weights = this.#gather(part, (tensor) => runtime.view(tensor)!);
      const result = part.network.forward(cpuDense, weights, { data: runtime.view(x)!, rows, columns });
      output = runtime.upload(result.data, shape(result.columns));
    }
    const trained = part.names.some((name) => tape?.trains(part.prefix + name));
    if (tape && (trained || tape.differentiable(x))) {
      tape.record({
        inputs: [x],
        output,
        backward: async (dy, [needed]) => [await this.#backward(part, x, columns, dy, needed!, tape)],
      });
    }
    return output;
  }

  async #backward(
    part: Part,
    x: Tensor,
    columns: number,
    dy: Tensor,
    needed: boolean,
    tape: Tape,
  ): Promise<Tensor | null> {
    const runtime = this.#runtime;
    const rows = sizeOf(x.shape) / columns;
    const outputs = sizeOf(dy.shape) / rows;
    const gradients: Record<string, Tensor> = {};
    let dx: Tensor | null = null;
    const { device } = runtime;
    if (device) {
      const matrix = (tensor: Tensor, width: number): Matrix<GPUBuffer> => ({
        data: runtime.gpuBuffer(tensor)!,
        rows,
        columns: width,
      });
      const weights = this.#gather(part, (tensor) => runtime.gpuBuffer(tensor)!);
      for (const [name, { shape }] of Object.entries(weights)) {
        const buffer = createStorageBuffer(device, 4 * sizeOf(shape), `gradient of ${part.prefix}${name}`);
        gradients[name] = runtime.adopt(buffer, shape);
      }
      const run = new GpuRun(device, 'mlp backward');
      try {
        const result = part.network.backward(
          gpuDense(run),
          weights,
          mapValues(weights, (name, { shape }) => ({ shape, data: runtime.gpuBuffer(gradients[name]!)! })),
          matrix(x, columns),
          matrix(dy, outputs),
          { inputGradient: needed },
        );
        if (result) dx = runtime.adopt(run.keep(result.data), x.shape);
        run.submit();
      } catch (error) {
        run.discard();
        for (const gradient of Object.values(gradients)) gradient.dispose();
        throw error;
      }
    } else {
      const matrix = (tensor: Tensor, width: number): Matrix<Float32Array> => ({
        data: runtime.view(tensor)!,
        rows,
        columns: width,
      });
      const weights = this.#gather(part, (tensor) => runtime.view(tensor)!);
      for (const [name, { shape }] of Object.entries(weights)) {
        gradients[name] = runtime.upload(new Float32Array(sizeOf(shape)), shape);
      }
      const result = part.network.backward(
        cpuDense,
        weights,
        mapValues(weights, (name, { shape }) => ({ shape, data: runtime.view(gradients[name]!)! })),
        matrix(x, columns),
        matrix(dy, outputs),
        { inputGradient: needed },
      );
      if (result) dx = runtime.upload(result.data, x.shape);
    }
    for (const [name, gradient] of Object.entries(gradients)) {
      if (tape.trains(part.prefix + name)) await tape.sink(part.prefix + name, gradient);
      gradient.dispose();
    }
    return dx;
  }

  #gather<T>(part: Part, data: (tensor: Tensor) => T): DenseWeights<T> {
    const store = this.#weights;
    return Object.fromEntries(
      part.names.map((name) => {
        const tensor = store.tensor(part.prefix + name);
        return [name, { shape: tensor.shape, data: data(tensor) }];
      }),
    );
  }
}

function present(part: Part | null): Part {
  if (part) return part;
  throw new ModelError(
    'missing-tensor',
    'The policy lacks a module that its head needs.',
    'Convert the checkpoint again.',
  );
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (key: string, value: A) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(key, value)]));
}
