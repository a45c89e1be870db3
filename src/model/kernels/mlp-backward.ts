/**
 * The backward passes of the networks in mlp.ts, for either backend. They are given what the forward pass was given
 * and compute its intermediate results again, so that nothing but x is kept in between.
 */
import { ModelError } from '../errors.ts';
import type { BackwardOptions, LayerGradients, LayerNormBackwardOptions, Matrix } from './dense.ts';
import { dense, linearWeight, norm, vector, type DenseBackend, type DenseWeights } from './mlp.ts';
import { checkLength } from './operand-checks.ts';

type Data = Float32Array | GPUBuffer;

/**
 * The backward pass of `mlp2`.
 *
 * @param gradients named and shaped as `weights`; each is added to in place.
 * @param x [M, K], as the forward pass had it. @param dy [M, N]
 * @returns dx [M, K]; null where `inputGradient` is false.
 * @throws ModelError `missing-tensor` or `bad-shape`; on the CPU all gradients are then as before, and a GPU run is
 * to be discarded.
 */
export function mlp2Backward<T extends Data>(
  backend: DenseBackend<T>,
  weights: DenseWeights<T>,
  gradients: DenseWeights<T>,
  x: Matrix<T>,
  dy: Matrix<T>,
  options: BackwardOptions = {},
): Matrix<T> | null {
  const layers = new Layers(backend, weights, gradients);
  const before = dense(backend, weights, 'fc1', x);
  const hidden = dense(backend, weights, 'fc1', x, { activation: 'gelu' });
  const dHidden = layers.denseBackward('fc2', hidden, dy)!;
  return layers.denseBackward('fc1', x, backend.activationBackward(before, dHidden, 'gelu'), options);
}

/**
 * The backward pass of `mlpResNet`; parameters, result and errors as of {@link mlp2Backward}.
 */
export function mlpResNetBackward<T extends Data>(
  backend: DenseBackend<T>,
  weights: DenseWeights<T>,
  gradients: DenseWeights<T>,
  x: Matrix<T>,
  dy: Matrix<T>,
  options: BackwardOptions = {},
): Matrix<T> | null {
  const layers = new Layers(backend, weights, gradients);
  const normed = norm(backend, weights, 'layer_norm1', x);
  const first = dense(backend, weights, 'fc1', normed, { activation: 'relu' });
  const blocks: { name: string; input: Matrix<T> }[] = [];
  let hidden = first;
  for (let block = 0; `mlp_resnet_blocks.${block}.ffn.0.weight` in weights; block++) {
    const name = `mlp_resnet_blocks.${block}.ffn`;
    blocks.push({ name, input: hidden });
    const input = norm(backend, weights, `${name}.0`, hidden);
    hidden = dense(backend, weights, `${name}.1`, input, { activation: 'relu', residual: hidden });
  }
  const last = norm(backend, weights, 'layer_norm2', hidden);

  const dLast = layers.denseBackward('fc2', last, dy)!;
  let d = layers.normBackward('layer_norm2', hidden, dLast)!;
  for (const { name, input } of blocks.toReversed()) {
    const inner = norm(backend, weights, `${name}.0`, input);
    // Without the residual this time: the sum with it hides where the ReLU was zero.
    const branch = dense(backend, weights, `${name}.1`, inner, { activation: 'relu' });
    const dBranch = backend.activationBackward(branch, d, 'relu');
    const dInner = layers.denseBackward(`${name}.1`, inner, dBranch)!;
    d = layers.normBackward(`${name}.0`, input, dInner, { residual: d })!;
  }
  const dNormed = layers.denseBackward('fc1', normed, backend.activationBackward(first, d, 'relu'))!;
  return layers.normBackward('layer_norm1', x, dNormed, options);
}

/** Backward kernels by the names of their weights. */
class Layers<T extends Data> {
  readonly #backend: DenseBackend<T>;
  readonly #weights: DenseWeights<T>;
  readonly #gradients: DenseWeights<T>;

  /** @throws ModelError where gradients are missing or shaped otherwise: before any is added to. */
  constructor(backend: DenseBackend<T>, weights: DenseWeights<T>, gradients: DenseWeights<T>) {
    for (const [name, { shape }] of Object.entries(weights)) {
      const gradient = gradients[name];
      if (!gradient) throw new ModelError('missing-tensor', `There is no gradient to add ${name}’s to.`);
      if (String(gradient.shape) !== String(shape)) {
        throw new ModelError(
          'bad-shape',
          `${name} is [${shape.join(', ')}], its gradient [${gradient.shape.join(', ')}].`,
        );
      }
      const count = shape.reduce((product, size) => product * size, 1);
      checkLength(gradient.data, count, `The gradient of ${name}`);
    }
    this.#backend = backend;
    this.#weights = weights;
    this.#gradients = gradients;
  }

  denseBackward(name: string, x: Matrix<T>, dy: Matrix<T>, options?: BackwardOptions): Matrix<T> | null {
    const weight = linearWeight(this.#weights, name, x);
    return this.#backend.linearBackward(x, weight, dy, this.#gradientsOf(name, weight.rows), options);
  }

  normBackward(
    name: string,
    x: Matrix<T>,
    dy: Matrix<T>,
    options?: LayerNormBackwardOptions<T>,
  ): Matrix<T> | null {
    const weight = vector(this.#weights, `${name}.weight`, x.columns);
    return this.#backend.layerNormBackward(x, weight, dy, this.#gradientsOf(name, x.columns), options);
  }

  #gradientsOf(name: string, length: number): LayerGradients<T> {
    const bias = vector(this.#gradients, `${name}.bias`, length);
    return { weight: this.#gradients[`${name}.weight`]!.data, bias };
  }
}
