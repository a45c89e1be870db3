import { decodeRows, type EncodedTensor } from '../weights/encoding.ts';

/**
 * The token embedding table, kept on the CPU in its stored encoding: a prediction reads a few hundred rows of it,
 * and onnxruntime's GatherBlockQuantized has no CPU kernel.
 */
export class TokenEmbedding {
  readonly #table: EncodedTensor;

  constructor(table: EncodedTensor) {
    this.#table = table;
  }

  /** Embeddings [ids.length · hidden] of the given tokens. */
  rows(ids: readonly number[]): Float32Array {
    return decodeRows(this.#table, ids);
  }
}
