/** The SO-101 as the policy knows it: absolute targets of its joints in LeRobot's names, degrees and 0…100, at 30 Hz. */
import type { DimensionLimits } from '../../robot/guard.ts';
import type { RobotProfile } from '../../robot/robot.ts';
import { LINKS, SERVO_ACCELERATION, SERVO_SPEED } from './figures.ts';

const DEGREE = Math.PI / 180;

export const JOINT_NAMES: readonly string[] = LINKS.map(({ joint }) => `${joint}.pos`);

const dimensions = JOINT_NAMES.map((name) => ({ name, unit: name === 'gripper.pos' ? 'open–close' : 'deg' }));

export const SO101_PROFILE: RobotProfile = {
  name: 'SO-101',
  // About half a second.
  chunkSize: 16,
  actions: dimensions,
  state: dimensions,
  normalization: 'bounds',
  images: [
    { name: 'main', label: 'Front camera' },
    { name: 'wrist', label: 'Wrist camera' },
  ],
  controlHz: 30,
};

/** Per cent of the gripper's range in a degree of its servo. */
const { range: jaw } = LINKS.at(-1)!;
const JAW_SPAN = jaw[1] - jaw[0];
const PER_CENT = (100 * DEGREE) / JAW_SPAN;

export const SO101_LIMITS: readonly DimensionLimits[] = LINKS.map(({ joint, range: [low, high] }) =>
  joint === 'gripper'
    ? {
        kind: 'position',
        min: 0,
        max: 100,
        speed: SERVO_SPEED * PER_CENT,
        acceleration: SERVO_ACCELERATION * PER_CENT,
      }
    : {
        kind: 'position',
        min: low / DEGREE,
        max: high / DEGREE,
        speed: SERVO_SPEED,
        acceleration: SERVO_ACCELERATION,
      },
);

/** Angles of the six joints, radians, from LeRobot's units; the gripper's 0 is closed, 100 open. */
export function toRadians(values: ArrayLike<number>): number[] {
  return LINKS.map(({ joint }, i) =>
    joint === 'gripper' ? jaw[0] + (values[i]! / 100) * JAW_SPAN : values[i]! * DEGREE,
  );
}

/** The other way round. */
export function fromRadians(angles: ArrayLike<number>): number[] {
  return LINKS.map(({ joint }, i) =>
    joint === 'gripper' ? (100 * (angles[i]! - jaw[0])) / JAW_SPAN : angles[i]! / DEGREE,
  );
}
