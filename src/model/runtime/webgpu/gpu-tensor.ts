import type { Shape } from '../../graph/types.ts';
import type { Ledger } from '../ledger.ts';
import type { Tensor } from '../runtime.ts';
import type { Part } from './plan.ts';

/** A tensor in a buffer of its own; a packed weight in two. */
export class GpuTensor implements Tensor {
  readonly location = 'gpu';
  readonly shape: Shape;
  readonly dtype: Tensor['dtype'];
  readonly byteLength: number;
  readonly #parts: Partial<Record<Part, GPUBuffer>>;
  readonly #release: () => void;
  readonly #ledger: Ledger;
  #disposed = false;

  constructor(options: {
    shape: Shape;
    dtype: Tensor['dtype'];
    byteLength: number;
    parts: Partial<Record<Part, GPUBuffer>>;
    ledger: Ledger;
    release: () => void;
  }) {
    this.shape = options.shape;
    this.dtype = options.dtype;
    this.byteLength = options.byteLength;
    this.#parts = options.parts;
    this.#release = options.release;
    this.#ledger = options.ledger;
    this.#ledger.opened(this);
  }

  part(part: Part): GPUBuffer {
    if (this.#disposed) throw new Error('The tensor is disposed already.');
    const buffer = this.#parts[part];
    if (!buffer) throw new Error(`A ${this.dtype} tensor has no ${part}.`);
    return buffer;
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
