/** The robots that can stand at the table, by name. */
import type { Layout } from './layout.ts';
import { SO101_LIMITS, SO101_PROFILE } from './so101/profile.ts';
import { So101World } from './so101/world.ts';
import { TABLE_LIMITS, TABLE_PROFILE } from './table-profile.ts';
import type { Mujoco } from './physics.ts';
import { PracticeTable } from './table.ts';
import type { RobotName } from './world.ts';

export type AnyWorld = PracticeTable | So101World;

export function openWorld(robot: RobotName, mujoco: Mujoco, layout: Layout): AnyWorld {
  return robot === 'so101' ? new So101World(mujoco, layout) : new PracticeTable(mujoco, layout);
}

/** What of a robot does not depend on what lies before it. */
export const KINDS = {
  gripper: { profile: TABLE_PROFILE, limits: TABLE_LIMITS },
  so101: { profile: SO101_PROFILE, limits: SO101_LIMITS },
} as const;
