/** Demonstrations by hand: somebody steers the gripper, and every control step in which something happens becomes a step of the episode. */
import type { FrameImage } from '../episodes/dataset.ts';
import type { Goal } from './goal.ts';
import { SuccessJudge } from './rollout.ts';
import type { Vector } from './objects.ts';
import type { World } from './world.ts';

/** Below this an axis rests (action units), and below the other the fingers do (metres per step). */
const RESTING = 1e-3;
const FINGERS_RESTING = 2e-4;
/** Longer than anybody needs; keeps memory bounded, steps. */
export const LONGEST = 600;

export interface HandEpisode {
  /** [length · 7] */
  readonly actions: Float32Array<ArrayBuffer>;
  /** [length · 8] */
  readonly state: Float32Array<ArrayBuffer>;
  /** Main and wrist camera per step. */
  readonly images: readonly (readonly FrameImage[])[];
  readonly achieved: boolean;
}

export class HandRecorder {
  readonly #observe: () => Promise<FrameImage[]>;
  readonly #judge: SuccessJudge | null;
  readonly #actions: number[] = [];
  readonly #state: number[] = [];
  readonly #images: Promise<FrameImage[]>[] = [];
  #gripper: number | null = null;
  #opening = Number.NaN;
  #achievedAt: number | null = null;
  /** Recorded after the goal is reached: a sample needs a whole chunk ahead. */
  #afterwards = 0;

  /** @param goal what is to be shown; null where nothing can judge it */
  constructor(goal: Goal | null, observe: () => Promise<FrameImage[]>) {
    this.#observe = observe;
    this.#judge = goal && new SuccessJudge(goal);
  }

  get steps(): number {
    return this.#images.length;
  }

  get achieved(): boolean {
    return this.#achievedAt !== null;
  }

  /** Nothing more is recorded. */
  get done(): boolean {
    return (
      this.steps >= LONGEST ||
      (this.#achievedAt !== null && this.steps >= this.#achievedAt + this.#afterwards)
    );
  }

  /** To be asked once per control step, whether anything happens in it or not: a thing let go may come to rest later. */
  judge(table: World): void {
    this.#afterwards = table.profile.chunkSize;
    if (this.#gripper !== null && this.#judge?.after(table)) this.#achievedAt ??= this.steps;
  }

  /**
   * To be asked when no action is being carried out, with what the person commands.
   * @param carryOut begins it, and says what of it is carried out
   * @returns that; null where nothing happens: as upstream's regenerate_libero_dataset.py, no-ops are left out
   */
  step(
    table: World,
    command: readonly number[],
    carryOut: (command: readonly number[]) => readonly number[],
  ): readonly number[] | null {
    const moving = command.slice(0, 6).some((value) => Math.abs(value) > RESTING);
    const grips = this.#gripper !== null && command[6] !== this.#gripper;
    const fingers = this.#gripper !== null && Math.abs(table.opening - this.#opening) > FINGERS_RESTING;
    this.#opening = table.opening;
    if (this.done || !(moving || grips || fingers || this.achieved)) return null;
    this.#gripper = command[6]!;
    this.#images.push(this.#observe());
    this.#state.push(...table.state());
    const action = carryOut(command);
    this.#actions.push(...action);
    return action;
  }

  /** What was recorded; null where nothing moved. */
  async episode(): Promise<HandEpisode | null> {
    if (this.steps === 0) return null;
    return {
      actions: Float32Array.from(this.#actions),
      state: Float32Array.from(this.#state),
      images: await Promise.all(this.#images),
      achieved: this.achieved,
    };
  }
}

/** The action that brings the gripper towards a point [m] as fast as it may go. */
export function steerTowards(table: World, point: Vector, gripper: number): number[] {
  const from = table.position('gripper');
  const delta = point.map((value, i) => (0.9 * (value - from[i]!)) / table.toolStep);
  const most = Math.max(1, ...delta.map(Math.abs));
  const close = delta.every((value) => Math.abs(value) < 0.04);
  return [...delta.map((value) => (close ? 0 : value / most)), 0, 0, 0, gripper];
}
