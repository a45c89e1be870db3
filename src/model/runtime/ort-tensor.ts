import type * as Ort from 'onnxruntime-common';
import { sizeOf, type Shape } from '../graph/types.ts';
import type { OnnxInput } from '../graph/onnx.ts';
import type { Ledger } from './ledger.ts';
import type { Tensor } from './runtime.ts';

/** A `Tensor` made of onnxruntime tensors: one, or the packed bytes and scales of a quantised weight. */
export class OrtTensor implements Tensor {
  readonly shape: Shape;
  readonly dtype: Tensor['dtype'];
  readonly location: Tensor['location'];
  readonly byteLength: number;
  readonly #bind: (part: OnnxInput) => Ort.Tensor;
  readonly #release: () => void;
  readonly #ledger: Ledger;
  #disposed = false;

  constructor(options: {
    shape: Shape;
    dtype: Tensor['dtype'];
    location: Tensor['location'];
    byteLength: number;
    ledger: Ledger;
    bind: (part: OnnxInput) => Ort.Tensor;
    release: () => void;
  }) {
    this.shape = options.shape;
    this.dtype = options.dtype;
    this.location = options.location;
    this.byteLength = options.byteLength;
    this.#bind = options.bind;
    this.#release = options.release;
    this.#ledger = options.ledger;
    this.#ledger.opened(this);
  }

  /** The onnxruntime tensor for one ONNX input. */
  bind(input: OnnxInput): Ort.Tensor {
    if (this.#disposed) throw new Error(`The tensor bound to "${input.name}" is disposed already.`);
    return this.#bind(input);
  }

  /** The single onnxruntime tensor of a float32 tensor. */
  value(): Ort.Tensor {
    return this.bind({ name: 'value', of: 'value', part: 'value', type: 'float32', shape: this.shape });
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#ledger.closed(this);
    this.#release();
  }
}

export const float32Bytes = (shape: Shape): number => 4 * sizeOf(shape);
