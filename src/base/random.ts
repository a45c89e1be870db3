/**
 * Random numbers from a seed, the same on every machine: splitmix32. `at` names what the numbers are for, so that
 * independent streams follow from one seed and can be made again without a history (resuming, any order).
 */
export class Random {
  #state: number;

  constructor(seed: number, ...at: readonly number[]) {
    let state = mix(seed | 0);
    for (const part of at) state = mix((state ^ Math.imul(part | 0, 0x9e3779b1)) | 0);
    this.#state = state;
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return (mix(this.#state) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, count). */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** Standard normal (Box–Muller). */
  gaussian(): number {
    const radius = Math.sqrt(-2 * Math.log(this.uniform() + 2 ** -33));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** 0…count−1 in random order (Fisher–Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const kept = order[i]!;
      order[i] = order[j]!;
      order[j] = kept;
    }
    return order;
  }
}

/** The finaliser of splitmix32. */
function mix(x: number): number {
  let z = x;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}
