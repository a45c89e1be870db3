/** What the dense kernels have in common, whichever processor they run on. */
import { ModelError } from '../errors.ts';

/** A row-major f32 matrix; `T` is Float32Array on the CPU and GPUBuffer on the GPU. */
export interface Matrix<T> {
  readonly data: T;
  readonly rows: number;
  readonly columns: number;
}

export type Activation = 'none' | 'relu' | 'gelu';

export interface LinearOptions<T> {
  /** [N] */
  readonly bias?: T | undefined;
  /** Applied to x·Wᵀ + b. `gelu` is the erf form. */
  readonly activation?: Activation | undefined;
  /** [M, N], added after the activation. */
  readonly residual?: Matrix<T> | undefined;
}

export interface LayerNormOptions {
  /** Default 1e-5, as torch.nn.LayerNorm. */
  readonly epsilon?: number | undefined;
}

export interface BackwardOptions {
  /** false: the gradient of the input is not needed, and null is returned. */
  readonly inputGradient?: boolean | undefined;
}

/** Gradients of a layer's parameters; a backward kernel adds to them in place. */
export interface LayerGradients<T> {
  /** Shaped as the weight. */
  readonly weight: T;
  /** [N] */
  readonly bias: T;
}

export interface LayerNormBackwardOptions<T> extends LayerNormOptions, BackwardOptions {
  /** Added to the gradient of x: what reaches it past this layer, in a residual block. */
  readonly residual?: Matrix<T> | undefined;
}

/**
 * @throws ModelError `bad-shape` unless x [M, K], weight [N, K] and residual [M, N] fit together.
 */
export function checkLinear<T>(x: Matrix<T>, weight: Matrix<T>, options: LinearOptions<T>): void {
  if (x.columns !== weight.columns) {
    throw new ModelError(
      'bad-shape',
      `linear: the input is [${x.rows}, ${x.columns}] and the weight [${weight.rows}, ${weight.columns}]; ` +
        'both need the same number of columns.',
      'Check that the weights belong to this network.',
    );
  }
  const { residual } = options;
  if (residual && (residual.rows !== x.rows || residual.columns !== weight.rows)) {
    throw new ModelError(
      'bad-shape',
      `linear: the residual is [${residual.rows}, ${residual.columns}], the output [${x.rows}, ${weight.rows}].`,
    );
  }
}
