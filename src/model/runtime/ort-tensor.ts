import type * as Ort from 'onnxruntime-common';
import { sizeOf, type Shape } from '../graph/types.ts';
import type { OnnxInput } from '../graph/onnx.ts';
import type { Tensor } from './runtime.ts';

/** Counts what is alive, so that "everything disposed" can be tested, and frees what a failed attempt leaves behind. */
export class Ledger {
  tensors = 0;
  byteLength = 0;
  /** Alive, and made by the attempt that goes on; null without one. */
  #made: Set<Tensor> | null = null;

  opened(tensor: Tensor): void {
    this.tensors += 1;
    this.byteLength += tensor.byteLength;
    this.#made?.add(tensor);
  }

  closed(tensor: Tensor): void {
    this.tensors -= 1;
    this.byteLength -= tensor.byteLength;
    this.#made?.delete(tensor);
  }

  /** `Runtime.attempt`. */
  async attempt<T>(task: () => Promise<T>): Promise<T> {
    if (this.#made) throw new Error('Only one attempt may go on at a time.');
    const made = new Set<Tensor>();
    this.#made = made;
    try {
      return await task();
    } catch (error) {
      // Disposing takes a tensor out of the set.
      for (const tensor of made) tensor.dispose();
      throw error;
    } finally {
      this.#made = null;
    }
  }
}

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
