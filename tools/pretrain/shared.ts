/** Memory that the training threads share, and how they wait for each other. */

/** Everything a thread needs to take part; sent once. */
export interface SharedMemory {
  readonly threads: number;
  /** Trained weights one behind the other, and AdamW's moments and the running average of them. */
  readonly parameter: SharedArrayBuffer;
  readonly average: SharedArrayBuffer;
  readonly m: SharedArrayBuffer;
  readonly v: SharedArrayBuffer;
  /** One stretch per thread. */
  readonly gradients: SharedArrayBuffer;
  /** Loss, L1 and sum of squared gradients per thread, float64. */
  readonly scalars: SharedArrayBuffer;
  readonly barrier: SharedArrayBuffer;
}

export const SCALARS = 3;

const floats = (length: number) => new SharedArrayBuffer(4 * length);

export function sharedMemory(threads: number, count: number): SharedMemory {
  return {
    threads,
    parameter: floats(count),
    average: floats(count),
    m: floats(count),
    v: floats(count),
    gradients: floats(threads * count),
    scalars: new SharedArrayBuffer(8 * SCALARS * threads),
    barrier: new SharedArrayBuffer(8),
  };
}

/** Nobody passes before all have come. */
export class Barrier {
  readonly #state: Int32Array;
  readonly #threads: number;

  constructor({ barrier, threads }: SharedMemory) {
    this.#state = new Int32Array(barrier);
    this.#threads = threads;
  }

  wait(): void {
    const round = Atomics.load(this.#state, 1);
    if (Atomics.add(this.#state, 0, 1) + 1 === this.#threads) {
      Atomics.store(this.#state, 0, 0);
      Atomics.add(this.#state, 1, 1);
      Atomics.notify(this.#state, 1);
      return;
    }
    while (Atomics.load(this.#state, 1) === round) Atomics.wait(this.#state, 1, round);
  }
}
