/**
 * The small networks of dense layers, written once for either backend: upstream's MLPResNet (action heads) and
 * the two-layer projectors. Weights carry upstream's names.
 */
import { ModelError } from '../errors.ts';
import { activationBackward } from './activation-backward.ts';
import { activationBackward as activationBackwardCpu } from './activation-backward.cpu.ts';
import type {
  Activation,
  BackwardOptions,
  LayerGradients,
  LayerNormBackwardOptions,
  LayerNormOptions,
  LinearOptions,
  Matrix,
} from './dense.ts';
import { GpuRun } from './gpu-run.ts';
import { layerNormBackward } from './layer-norm-backward.ts';
import { layerNormBackward as layerNormBackwardCpu } from './layer-norm-backward.cpu.ts';
import { layerNorm } from './layer-norm.ts';
import { layerNorm as layerNormCpu } from './layer-norm.cpu.ts';
import { linearBackward } from './linear-backward.ts';
import { linearBackward as linearBackwardCpu } from './linear-backward.cpu.ts';
import { linear } from './linear.ts';
import { linear as linearCpu } from './linear.cpu.ts';

/**
 * The dense kernels on one processor. The backward ones add to `gradients` in place and return the gradient of x, or
 * null where that is declined.
 */
export interface DenseBackend<T> {
  linear(x: Matrix<T>, weight: Matrix<T>, options?: LinearOptions<T>): Matrix<T>;
  layerNorm(x: Matrix<T>, weight: T, bias: T, options?: LayerNormOptions): Matrix<T>;
  linearBackward(
    x: Matrix<T>,
    weight: Matrix<T>,
    dy: Matrix<T>,
    gradients: LayerGradients<T>,
    options?: BackwardOptions,
  ): Matrix<T> | null;
  layerNormBackward(
    x: Matrix<T>,
    weight: T,
    dy: Matrix<T>,
    gradients: LayerGradients<T>,
    options?: LayerNormBackwardOptions<T>,
  ): Matrix<T> | null;
  /** x before the activation; for `relu` what comes out of it serves as well. */
  activationBackward(x: Matrix<T>, dy: Matrix<T>, activation: Exclude<Activation, 'none'>): Matrix<T>;
}

/** A tensor of a state dict: `shape` is [N, K] for weights, [N] for biases. */
export interface DenseWeight<T> {
  readonly shape: readonly number[];
  readonly data: T;
}

/** Weights by upstream name, such as `fc1.weight`. */
export type DenseWeights<T> = Readonly<Record<string, DenseWeight<T>>>;

/** Runs at once, on plain arrays. */
export const cpuDense: DenseBackend<Float32Array> = {
  linear: linearCpu,
  layerNorm: layerNormCpu,
  linearBackward: linearBackwardCpu,
  layerNormBackward: layerNormBackwardCpu,
  activationBackward: activationBackwardCpu,
};

/** Records into `run`; every result is a temporary of it (see {@link GpuRun.keep}). */
export function gpuDense(run: GpuRun): DenseBackend<GPUBuffer> {
  return {
    linear: (x, weight, options) => linear(run, x, weight, options),
    layerNorm: (x, weight, bias, options) => layerNorm(run, x, weight, bias, options),
    linearBackward: (x, weight, dy, gradients, options) =>
      linearBackward(run, x, weight, dy, gradients, options),
    layerNormBackward: (x, weight, dy, gradients, options) =>
      layerNormBackward(run, x, weight, dy, gradients, options),
    activationBackward: (x, dy, activation) => activationBackward(run, x, dy, activation),
  };
}

/**
 * fc2(gelu(fc1(x))): the proprio projector and the noisy-action projector
 * (openvla-oft prismatic/models/projectors.py).
 *
 * @param x [M, K] @returns [M, N]
 * @throws ModelError `missing-tensor` or `bad-shape`.
 */
export function mlp2<T>(backend: DenseBackend<T>, weights: DenseWeights<T>, x: Matrix<T>): Matrix<T> {
  const hidden = dense(backend, weights, 'fc1', x, { activation: 'gelu' });
  return dense(backend, weights, 'fc2', hidden);
}

/**
 * layer_norm1, fc1, ReLU, blocks x + relu(linear(layerNorm(x))), layer_norm2, fc2: the L1 head and the noise
 * predictor (MLPResNet in openvla-oft prismatic/models/action_heads.py).
 *
 * @param x [M, K] @returns [M, N]
 * @throws ModelError `missing-tensor` or `bad-shape`.
 */
export function mlpResNet<T>(backend: DenseBackend<T>, weights: DenseWeights<T>, x: Matrix<T>): Matrix<T> {
  let hidden = dense(backend, weights, 'fc1', norm(backend, weights, 'layer_norm1', x), {
    activation: 'relu',
  });
  for (let block = 0; `mlp_resnet_blocks.${block}.ffn.0.weight` in weights; block++) {
    const name = `mlp_resnet_blocks.${block}.ffn`;
    const normed = norm(backend, weights, `${name}.0`, hidden);
    hidden = dense(backend, weights, `${name}.1`, normed, { activation: 'relu', residual: hidden });
  }
  return dense(backend, weights, 'fc2', norm(backend, weights, 'layer_norm2', hidden));
}

/**
 * Runs a network once on the GPU.
 *
 * @param x [rows, columns]; an array is uploaded, a buffer is used as it is and stays the caller's.
 * @returns the result, which is the caller's to destroy.
 */
export function runOnGpu(
  device: GPUDevice,
  x: Matrix<Float32Array | GPUBuffer>,
  network: (backend: DenseBackend<GPUBuffer>, x: Matrix<GPUBuffer>) => Matrix<GPUBuffer>,
): Matrix<GPUBuffer> {
  const run = new GpuRun(device, 'mlp');
  try {
    const data = x.data instanceof Float32Array ? run.upload(x.data, 'input') : x.data;
    const result = network(gpuDense(run), { ...x, data });
    run.keep(result.data);
    run.submit();
    return result;
  } catch (error) {
    run.discard();
    throw error;
  }
}

/** One layer of a network: its weight and bias by name, then the kernel. */
export function dense<T>(
  backend: DenseBackend<T>,
  weights: DenseWeights<T>,
  name: string,
  x: Matrix<T>,
  options: LinearOptions<T> = {},
): Matrix<T> {
  const weight = linearWeight(weights, name, x);
  const bias = vector(weights, `${name}.bias`, weight.rows);
  return backend.linear(x, weight, { ...options, bias });
}

/** As {@link dense}, for a layer norm. */
export function norm<T>(
  backend: DenseBackend<T>,
  weights: DenseWeights<T>,
  name: string,
  x: Matrix<T>,
): Matrix<T> {
  const weight = vector(weights, `${name}.weight`, x.columns);
  return backend.layerNorm(x, weight, vector(weights, `${name}.bias`, x.columns));
}

/** @throws ModelError `missing-tensor`, or `bad-shape` unless `name` is a matrix over the columns of x. */
export function linearWeight<T>(weights: DenseWeights<T>, name: string, x: Matrix<T>): Matrix<T> {
  const weight = find(weights, `${name}.weight`);
  const [rows, columns] = weight.shape;
  if (rows === undefined || columns === undefined || weight.shape.length !== 2 || columns !== x.columns) {
    throw new ModelError(
      'bad-shape',
      `${name}.weight is [${weight.shape.join(', ')}], its input [${x.rows}, ${x.columns}].`,
      'The package does not fit this network: convert the checkpoint again.',
    );
  }
  return { data: weight.data, rows, columns };
}

/** @throws ModelError `missing-tensor`, or `bad-shape` unless `name` is a vector of `length`. */
export function vector<T>(weights: DenseWeights<T>, name: string, length: number): T {
  const { shape, data } = find(weights, name);
  if (shape.length === 1 && shape[0] === length) return data;
  throw new ModelError('bad-shape', `${name} is [${shape.join(', ')}]; this network needs [${length}].`);
}

function find<T>(weights: DenseWeights<T>, name: string): DenseWeight<T> {
  const weight = weights[name];
  if (weight) return weight;
  const found = Object.keys(weights).join(', ') || 'none';
  throw new ModelError(
    'missing-tensor',
    `${name} is missing; the weights are: ${found}.`,
    'Convert the checkpoint again.',
  );
}
