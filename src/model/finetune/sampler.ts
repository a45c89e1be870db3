import { Random } from '../../base/random.ts';

/**
 * Seeded shuffling without a history: the sample at any position of the endless stream follows from the seed alone, so that a
 * resumed run continues exactly where it stopped. Every epoch is a permutation of its own.
 */
export class Sampler {
  readonly #seed: number;
  readonly #count: number;
  #epoch = -1;
  #order: Uint32Array = new Uint32Array();

  constructor(seed: number, count: number) {
    this.#seed = seed;
    this.#count = count;
  }

  at(position: number): number {
    const epoch = Math.floor(position / this.#count);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#order = new Random(this.#seed, epoch).permutation(this.#count);
    }
    return this.#order[position % this.#count]!;
  }
}
