/** The practice table's own robot: a gripper that is told how far to go, as LIBERO's arm is. */
import type { DimensionLimits } from '../robot/guard.ts';
import type { RobotProfile } from '../robot/robot.ts';

export const CONTROL_HZ = 10;

export const ACTION_NAMES = ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'] as const;
export const STATE_NAMES = [
  'x',
  'y',
  'z',
  'axis-angle x',
  'axis-angle y',
  'axis-angle z',
  'left finger',
  'right finger',
] as const;

const stateUnit = (name: string): string => (name.startsWith('axis-angle') ? 'rad' : 'm');

export const TABLE_PROFILE: RobotProfile = {
  name: 'practice table',
  chunkSize: 8,
  actions: ACTION_NAMES.map((name) => ({ name, unit: name === 'gripper' ? 'open–close' : 'scaled' })),
  state: STATE_NAMES.map((name) => ({ name, unit: stateUnit(name) })),
  normalization: 'bounds_q99',
  images: [
    { name: 'main', label: 'Main camera' },
    { name: 'wrist', label: 'Wrist camera' },
  ],
  controlHz: CONTROL_HZ,
};

/**
 * A share of the largest step may turn round within a period: the table's own servos glide from one to the next, and the policy was trained so.
 * The gripper opens or closes.
 */
const SHARE: DimensionLimits = {
  kind: 'rate',
  min: -1,
  max: 1,
  speed: Infinity,
  acceleration: 2 * CONTROL_HZ,
};
const GRIPPER: DimensionLimits = {
  kind: 'position',
  min: 0,
  max: 1,
  speed: Infinity,
  acceleration: Infinity,
};

export const TABLE_LIMITS: readonly DimensionLimits[] = ACTION_NAMES.map((name) =>
  name === 'gripper' ? GRIPPER : SHARE,
);
