/** Runs of the scripted expert: what demonstrations and pretraining data are made of. */
import type { Random } from '../base/random.ts';
import { expertAction } from './expert.ts';
import { achieved, type Goal } from './goal.ts';
import { OBJECTS } from './objects.ts';
import { stepWorld, type World } from './world.ts';

/** How often a disturbance changes: a faster robot is disturbed for as long, and as far, in more actions. */
const NOISE_HZ = 10;

export interface NoiseOptions {
  /** Standard deviation of the noisiest episode, as a share of the largest step. */
  readonly most: number;
  /** Chance of a knock in a tenth of a second. */
  readonly knocks: number;
  /** Actions a second. */
  readonly hz: number;
}

/** Disturbances while recording, so that recoveries are in the data. Each episode draws its own. */
export class ActionNoise {
  readonly #random: Random;
  /** Actions for which a disturbance stays the same. */
  readonly #actions: number;
  readonly #sigma: number;
  readonly #knocks: number;
  readonly #flips: number;
  #burst: { left: number; direction: readonly number[] } = { left: 0, direction: [0, 0, 0] };
  #flipped = 0;
  #drift: readonly number[] = [0, 0, 0];
  #given = 0;

  constructor(random: Random, { most, knocks, hz }: NoiseOptions) {
    this.#random = random;
    this.#knocks = knocks;
    this.#actions = Math.max(1, Math.round(hz / NOISE_HZ));
    this.#sigma = most * random.uniform();
    this.#flips = 0.03 * random.uniform();
  }

  /** What is executed where the expert says `action`. */
  disturb(action: readonly number[]): number[] {
    if (this.#given++ % this.#actions === 0) this.#change();
    const pushed = this.#burst.left > 0;
    return action.map((value, i) => {
      if (i === 6) return this.#flipped > 0 ? 1 - value : value;
      if (i > 2) return value;
      const blow = pushed ? this.#burst.direction[i]! : 0;
      return Math.min(1, Math.max(-1, value + this.#drift[i]! + blow));
    });
  }

  #change(): void {
    const random = this.#random;
    if (this.#burst.left > 0) this.#burst = { ...this.#burst, left: this.#burst.left - 1 };
    else if (random.uniform() < this.#knocks) {
      this.#burst = {
        left: 2 + random.integer(5),
        direction: [random.gaussian(), random.gaussian(), random.gaussian()],
      };
    }
    if (this.#flipped > 0) this.#flipped--;
    else if (random.uniform() < this.#flips) this.#flipped = 1 + random.integer(3);
    this.#drift = [0, 1, 2].map(() => this.#sigma * random.gaussian());
  }
}

/** Share of the episodes that go astray. */
const ASTRAY = 0.35;

/**
 * In some episodes another thing is gone for, for a while, and even picked up: so that what to do then is in the data, too. A policy that
 * never saw it takes what it holds for what was meant, and holds on to it.
 */
export class Detour {
  /** Steps that the episode is longer for it. */
  readonly length: number;
  readonly #from: number;
  readonly #goal: Goal | null;

  constructor(random: Random, { layout }: World, goal: Goal, share = ASTRAY) {
    const others = layout.objects.filter(({ name }) => name !== goal.target && OBJECTS[name].width !== null);
    const astray = random.uniform() < share;
    this.#from = random.integer(12);
    this.length = astray ? 4 + random.integer(20) : 0;
    this.#goal = astray ? { kind: 'lift', target: others[random.integer(others.length)]!.name } : null;
  }

  /** What is done at this step where the expert says `action`. */
  divert(step: number, table: World, action: number[]): number[] {
    const away = this.#goal && step >= this.#from && step < this.#from + this.length;
    return away ? expertAction(table, this.#goal) : action;
  }
}

/** The expert's next `length` actions from here, row after row [length · actions]; the table is left as it was. */
export function expertChunk(table: World, goal: Goal, length: number): Float32Array {
  const before = table.snapshot();
  const size = table.profile.actions.length;
  const chunk = new Float32Array(length * size);
  for (let step = 0; step < length; step++) {
    const action = expertAction(table, goal);
    chunk.set(action, step * size);
    if (step < length - 1) stepWorld(table, action);
  }
  table.restore(before);
  return chunk;
}

/** Counts how long a goal has held: an episode succeeds when it does for two actions in a row. */
export class SuccessJudge {
  readonly #goal: Goal;
  #held = 0;

  constructor(goal: Goal) {
    this.#goal = goal;
  }

  /** To be asked once after every action. */
  after(table: World): boolean {
    this.#held = achieved(table, this.#goal) ? this.#held + 1 : 0;
    return this.#held >= 2;
  }
}
