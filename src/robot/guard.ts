/**
 * The one guard: nothing reaches a robot that has not passed it. It keeps every command within its dimension's range, speed and acceleration,
 * always able to stop before the end of the range.
 */

export interface DimensionLimits {
  /**
   * `position`: an action says where to be. `rate`: it says how far to go in this period, as a share of the largest step; the robot stands
   * when the period is over.
   */
  readonly kind: 'position' | 'rate';
  readonly min: number;
  readonly max: number;
  /** Of a position, units per second; Infinity for what only opens and closes. A rate is limited by its range. */
  readonly speed: number;
  /** Units per second squared; of a rate, how much it may change per second. */
  readonly acceleration: number;
}

declare const passed: unique symbol;

/** An action that has passed the guard. There is no other way to make one. */
export interface Command {
  readonly [passed]: true;
  /** In the units of the profile's actions. */
  readonly values: readonly number[];
}

/** Of a dimension, per period. */
interface Motion {
  position: number;
  velocity: number;
}

export class Guard {
  readonly #limits: readonly DimensionLimits[];
  readonly #seconds: number;
  #share = 1;
  #motions: Motion[] = [];

  constructor(limits: readonly DimensionLimits[], periodMs: number) {
    this.#limits = limits;
    this.#seconds = periodMs / 1000;
    this.start(limits.map(() => 0));
  }

  /** Goes on from where the robot stands, whatever was commanded before. @param standing of `Robot.standing` */
  start(standing: readonly number[]): void {
    this.#motions = this.#limits.map(({ kind, min, max }, i) => ({
      // A robot that was pushed beyond its range is brought back at the limits' pace.
      position: kind === 'rate' ? 0 : finiteOr(standing[i], clamp(0, min, max)),
      velocity: 0,
    }));
  }

  /** @param share of the speed of every dimension, 0…1: for all that comes, whoever it is from */
  limitSpeed(share: number): void {
    this.#share = clamp(finiteOr(share, 0), 0, 1);
  }

  /** Nothing moves by what was commanded last. */
  get atRest(): boolean {
    return this.#motions.every(({ velocity }) => velocity === 0);
  }

  /** @param action what is not a number in it stands still */
  pass(action: readonly number[]): Command {
    return this.#command((i) => action[i]);
  }

  /** Comes to rest as fast as the limits allow. */
  hold(): Command {
    return this.#command(() => undefined);
  }

  #command(wantedOf: (dimension: number) => number | undefined): Command {
    const values = this.#limits.map((limits, i) => {
      const motion = this.#motions[i]!;
      const wanted = finiteOr(wantedOf(i), null);
      return limits.kind === 'rate'
        ? this.#rate(limits, motion, wanted)
        : this.#place(limits, motion, wanted);
    });
    return { values } as unknown as Command;
  }

  #rate({ min, max, acceleration }: DimensionLimits, motion: Motion, wanted: number | null): number {
    const change = acceleration * this.#seconds;
    const aim = clamp(wanted ?? 0, min * this.#share, max * this.#share);
    motion.velocity = clamp(aim, motion.velocity - change, motion.velocity + change);
    return motion.velocity;
  }

  #place(limits: DimensionLimits, motion: Motion, wanted: number | null): number {
    const { min, max, speed, acceleration } = limits;
    if (speed === Infinity) {
      motion.position = clamp(wanted ?? motion.position, min, max);
      return motion.position;
    }
    const fastest = speed * this.#share * this.#seconds;
    const change = acceleration * this.#seconds ** 2;
    const away = wanted === null ? 0 : clamp(wanted, min, max) - motion.position;
    const aim = Math.sign(away) * Math.min(fastest, stoppableFrom(Math.abs(away), change));
    motion.velocity = clamp(aim, motion.velocity - change, motion.velocity + change);
    motion.position += motion.velocity;
    return motion.position;
  }
}

/**
 * The fastest that may be gone in this period where it has to be at rest `distance` further on, losing at most `change` of it in each
 * period: v + (v − change) + (v − 2 · change) + … ≤ distance.
 */
export function stoppableFrom(distance: number, change: number): number {
  if (change === Infinity) return distance;
  if (change <= 0) return 0;
  const periods = Math.floor((Math.sqrt(1 + (8 * distance) / change) - 1) / 2);
  return (distance + (change * periods * (periods + 1)) / 2) / (periods + 1);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function finiteOr<T>(value: number | undefined, otherwise: T): number | T {
  return value !== undefined && Number.isFinite(value) ? value : otherwise;
}
