/** A simulated robot with what lies before it: what goals, cameras, hands and the loop need to know of it, whichever robot it is. */
import type { DimensionLimits } from '../robot/guard.ts';
import type { RobotProfile } from '../robot/robot.ts';
import type { Layout } from './layout.ts';
import type { ObjectName, Vector } from './objects.ts';

export interface Pose {
  readonly position: Vector;
  /** w, x, y, z */
  readonly quaternion: readonly [number, number, number, number];
}

/** Everything the physics depends on: from it the same actions give the same future, bit for bit. */
export interface Snapshot {
  readonly physics: readonly number[];
  readonly target: readonly number[];
}

export interface PathPoint {
  readonly position: Vector;
  readonly open: boolean;
}

/** The robots that can stand at the table. */
export const ROBOTS = ['gripper', 'so101'] as const;
export type RobotName = (typeof ROBOTS)[number];

export interface World {
  readonly robot: RobotName;
  readonly layout: Layout;
  readonly profile: RobotProfile;
  readonly limits: readonly DimensionLimits[];
  /** Of one physics step, seconds; a period of the profile is a whole number of them. */
  readonly timestep: number;
  /** Commands an action, in the profile's units; the physics steps of a period carry it out. */
  begin(action: ArrayLike<number>): void;
  /** One physics step. Once an action is carried out, its last command holds. */
  advance(): void;
  /** Stays where it is, whatever was commanded. */
  stay(): void;
  /** The action that keeps it where it is. */
  standing(): number[];
  /** In the profile's units. */
  state(): number[];
  has(name: ObjectName): boolean;
  /** Where an object, or the tool centre point, is. */
  position(name: ObjectName | 'gripper'): Vector;
  pose(name: ObjectName | 'gripper'): Pose;
  /** Half the distance between the fingers where they hold something, metres. */
  readonly opening: number;
  /** The furthest that the tool centre point is led in a period along an axis, metres. */
  readonly toolStep: number;
  /** How far above its place in a bowl a thing is let go, metres: a hand that swings open would push the bowl away. */
  readonly dropHeight: number;
  /** How far across the table's y the middle of what is held may be from the tool centre point, metres. */
  readonly heldWithin: number;
  /**
   * The action that leads the tool: [x, y, z, roll, pitch, yaw, gripper], shares of the largest step, gripper 1 open … 0 closed.
   * @param closing the direction in which it is to close, about the vertical, radians; null to stay as it is
   */
  toolAction(shares: readonly number[], closing: number | null): number[];
  /** Where such actions would lead the tool from here, and whether it opens there. */
  pathOf(actions: readonly (readonly number[])[]): PathPoint[];
  /** How far the direction in which it closes is from the one that suits a thing there, radians; 0 for what turns nothing. */
  misturned(closing: number | null): number;
  /** Draws an object towards a point [m] like a spring, as a hand would; null lets go. */
  hold(name: ObjectName | 'gripper', point: Vector | null): void;
  snapshot(): Snapshot;
  restore(snapshot: Snapshot): void;
  dispose(): void;
}

/** Physics steps in one period of its control rate. */
export function substepsOf({ profile, timestep }: Pick<World, 'profile' | 'timestep'>): number {
  return Math.round(1 / profile.controlHz / timestep);
}

/** One action, carried out for a period. */
export function stepWorld(world: World, action: ArrayLike<number>): void {
  world.begin(action);
  advancePeriod(world);
}

export function advancePeriod(world: World): void {
  for (let i = substepsOf(world); i > 0; i--) world.advance();
}
