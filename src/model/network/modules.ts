/** The modules beside the network: proprio and noisy-action projectors and the action head, on the hand-written kernels. */
import {
  cpuDense,
  evaluateOnGpu,
  mlp2,
  mlpResNet,
  uploadWeights,
  withoutPrefix,
  type DenseBackend,
  type DenseWeights,
} from '../kernels/mlp.ts';
import type { Matrix } from '../kernels/dense.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { decodeFloat32 } from '../weights/encoding.ts';
import type { WeightSource } from './loaded-weights.ts';

export interface Modules {
  /** Normalised state [dim] → its token [hidden]; null where the policy takes no proprio. */
  readonly proprio: ((state: Float32Array) => Promise<Float32Array>) | null;
  /** Noisy actions, flat → one feature row per value; null but for diffusion. */
  readonly noisyActions: ((actions: Float32Array) => Promise<Float32Array>) | null;
  /** Hidden states [1, chunk · dim, hidden], regrouped to `rows` = chunk rows → [chunk, dim], flat; null without a head. */
  readonly head: ((states: Tensor, rows: number) => Promise<Float32Array>) | null;
  dispose(): void;
}

type Dense = <T>(backend: DenseBackend<T>, weights: DenseWeights<T>, x: Matrix<T>) => Matrix<T>;

export async function loadModules(source: WeightSource, runtime: Runtime): Promise<Modules> {
  const opened: (() => void)[] = [];
  const open = async (prefix: string, network: Dense) => {
    const weights = await readWeights(source, prefix);
    if (!weights) return null;
    const { device } = runtime;
    if (!device) return (x: Matrix<Float32Array | GPUBuffer>) => runOnCpu(weights, network, x);
    const onGpu = uploadWeights(device, weights);
    opened.push(onGpu.destroy);
    return (x: Matrix<Float32Array | GPUBuffer>) =>
      evaluateOnGpu(device, x, (backend, input) => network(backend, onGpu.weights, input));
  };
  try {
    const proprio = await open('proprio_projector.', mlp2);
    const noisyActions = await open('noisy_action_projector.', mlp2);
    const head =
      (await open('action_head.model.', mlpResNet)) ??
      (await open('action_head.noise_predictor.mlp_resnet.', mlpResNet));
    return {
      proprio: proprio && ((state) => proprio({ data: state, rows: 1, columns: state.length })),
      noisyActions:
        noisyActions && ((actions) => noisyActions({ data: actions, rows: actions.length, columns: 1 })),
      head:
        head &&
        (async (states, rows) => {
          const [, positions, hidden] = states.shape as [number, number, number];
          const data = runtime.gpuBuffer(states) ?? (await runtime.read(states));
          return head({ data, rows, columns: (positions / rows) * hidden });
        }),
      dispose: () => {
        for (const destroy of opened) destroy();
      },
    };
  } catch (error) {
    for (const destroy of opened) destroy();
    throw error;
  }
}

async function runOnCpu(
  weights: DenseWeights<Float32Array>,
  network: Dense,
  x: Matrix<Float32Array | GPUBuffer>,
): Promise<Float32Array> {
  return network(cpuDense, weights, x as Matrix<Float32Array>).data;
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
