/** A recorded episode as a robot: it shows what was seen then, step by step, whatever it is told to do, and keeps what it was told. */
import type { FrameImage } from '../episodes/dataset.ts';
import { ModelError } from '../base/errors.ts';
import type { RobotProfile } from '../model/policy/robot-profiles.ts';
import type { Command, DimensionLimits } from './guard.ts';
import type { Robot, RobotObservation } from './robot.ts';

export interface RecordedSteps {
  readonly length: number;
  /** [length · actions] */
  readonly actions: Float32Array;
  /** [length · state]; null where none was recorded. */
  readonly state: Float32Array | null;
  /** One image per image of the profile. */
  readonly frames: (step: number) => Promise<FrameImage[]>;
}

/** Nothing moves, so nothing is held back: what the policy says is what is kept. */
const UNLIMITED: DimensionLimits = {
  kind: 'position',
  min: -Infinity,
  max: Infinity,
  speed: Infinity,
  acceleration: Infinity,
};

export class ReplayRobot implements Robot {
  readonly profile: RobotProfile;
  readonly limits: readonly DimensionLimits[];
  readonly #recorded: RecordedSteps;
  readonly #now: () => number;
  readonly #told: (readonly number[])[] = [];

  constructor(profile: RobotProfile, recorded: RecordedSteps, now: () => number) {
    const { length, actions } = recorded;
    if (actions.length !== length * profile.actions.length) {
      throw new ModelError(
        'bad-input',
        `The episode has ${actions.length / length} action values in a step; ${profile.name} takes ${profile.actions.length}.`,
        'Replay an episode of the same robot.',
      );
    }
    this.profile = profile;
    this.limits = profile.actions.map(() => UNLIMITED);
    this.#recorded = recorded;
    this.#now = now;
  }

  /** At the step that comes next; at its end it stays at the last. */
  async observe(): Promise<RobotObservation> {
    const { length, state, frames } = this.#recorded;
    const step = Math.min(this.#told.length, length - 1);
    const size = this.profile.state?.length ?? 0;
    return {
      atMs: this.#now(),
      images: await frames(step),
      state: state && size > 0 ? [...state.subarray(step * size, (step + 1) * size)] : null,
    };
  }

  standing(): readonly number[] {
    return this.#recordedAt(this.#told.length);
  }

  execute({ values }: Command): void {
    if (this.#told.length < this.#recorded.length) this.#told.push(values);
  }

  halt(): void {}

  close(): void {}

  /** All of it was shown. */
  get done(): boolean {
    return this.#told.length >= this.#recorded.length;
  }

  /** How far what it was told is from what was recorded: the mean over the steps so far, per dimension, in the robot's units. */
  meanErrors(): number[] {
    return this.profile.actions.map(
      (_, dim) =>
        this.#told.reduce(
          (sum, values, step) => sum + Math.abs(values[dim]! - this.#recordedAt(step)[dim]!),
          0,
        ) / Math.max(1, this.#told.length),
    );
  }

  #recordedAt(step: number): readonly number[] {
    const size = this.profile.actions.length;
    const at = Math.min(step, this.#recorded.length - 1) * size;
    return [...this.#recorded.actions.subarray(at, at + size)];
  }
}
