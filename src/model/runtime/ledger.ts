import type { Tensor } from './runtime.ts';

/** Counts what is alive, so that "everything disposed" can be tested, and frees what a failed attempt leaves behind. */
export class Ledger {
  tensors = 0;
  byteLength = 0;
  /** The most bytes at once so far. */
  peakByteLength = 0;
  /** Alive, and made by the attempt that goes on; null without one. */
  #made: Set<Tensor> | null = null;

  opened(tensor: Tensor): void {
    this.tensors += 1;
    this.byteLength += tensor.byteLength;
    this.peakByteLength = Math.max(this.peakByteLength, this.byteLength);
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
