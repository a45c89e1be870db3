/** What every robot is to the page: something that is observed and carries out guarded commands. One file a robot implements it. */
import type { FrameImage } from '../episodes/dataset.ts';
import type { RobotProfile } from '../model/policy/robot-profiles.ts';
import type { Command, DimensionLimits } from './guard.ts';

export type { RobotProfile };

export interface RobotObservation {
  /** When it was like this, milliseconds of the robot's clock. */
  readonly atMs: number;
  /** One per image of the profile, in its order. */
  readonly images: FrameImage[];
  /** In the units of the profile's state; null where it has none. */
  readonly state: number[] | null;
}

export interface Robot {
  readonly profile: RobotProfile;
  /** One per dimension of the action. */
  readonly limits: readonly DimensionLimits[];
  observe(): Promise<RobotObservation>;
  /** The action that keeps it where it is now: the guard starts from it. */
  standing(): readonly number[];
  /** Begins to carry out a command, which stands until the next one. Only a guard makes commands. */
  execute(command: Command): void;
  /** Stays where it is, whatever was commanded. */
  halt(): void;
  /** Lets go of it; nothing is asked of it afterwards. */
  close(): void;
}

/** Time as a robot, and whatever drives it, has it; tests bring one that is turned by hand. */
export interface Clock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Calls back once, as soon after that time as can be. @returns takes the wish back */
  at(timeMs: number, callback: () => void): () => void;
}

/** From one command to the next. */
export function periodMsOf({ controlHz }: RobotProfile): number {
  return 1000 / controlHz;
}
