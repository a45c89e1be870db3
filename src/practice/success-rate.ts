/** How sure a success rate is. */
export interface SuccessRate {
  readonly successes: number;
  readonly episodes: number;
  readonly rate: number;
  /** 95 % interval (Wilson). */
  readonly low: number;
  readonly high: number;
}

/** @param episodes at least one */
export function successRate(successes: number, episodes: number): SuccessRate {
  const z = 1.96;
  const p = successes / episodes;
  const scale = 1 + z ** 2 / episodes;
  const middle = (p + z ** 2 / (2 * episodes)) / scale;
  const half = (z * Math.sqrt((p * (1 - p)) / episodes + z ** 2 / (4 * episodes ** 2))) / scale;
  return { successes, episodes, rate: p, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
