/**
 * The SO-101's figures: where its joints are, how far and how fast they turn, what its parts weigh. Taken from the public model of the arm
 * (TheRobotStudio/SO-ARM100, Simulation/SO101/so101_new_calib, Apache-2.0), in which zero is the middle of each joint's range, as in LeRobot's
 * degrees. Shapes are our own, simple ones. Metres, kilograms, radians.
 */
import type { Vector } from '../objects.ts';

export type Quaternion = readonly [w: number, x: number, y: number, z: number];

export interface Link {
  /** LeRobot's name of the joint that turns it. */
  readonly joint: string;
  readonly body: string;
  /** In the frame of the link before. The joint turns about its own z. */
  readonly position: Vector;
  readonly quaternion: Quaternion;
  readonly range: readonly [number, number];
  readonly mass: number;
  readonly center: Vector;
  /** About the centre of mass: xx, yy, zz (what is off the diagonal is a hundredth of it). */
  readonly inertia: Vector;
}

const h = Math.SQRT1_2;

export const LINKS: readonly Link[] = [
  {
    joint: 'shoulder_pan',
    body: 'shoulder',
    position: [0.0388353, 0, 0.0624],
    quaternion: [0, 0, -1, 0],
    range: [-1.91986, 1.91986],
    mass: 0.100006,
    center: [-0.0307604, 0, -0.0252713],
    inertia: [8.3759e-5, 8.10403e-5, 2.39783e-5],
  },
  {
    joint: 'shoulder_lift',
    body: 'upper arm',
    position: [-0.0303992, -0.0182778, -0.0542],
    quaternion: [0.5, -0.5, -0.5, -0.5],
    range: [-1.74533, 1.74533],
    mass: 0.103,
    center: [-0.0898471, -0.00838224, 0.0184089],
    inertia: [4.08002e-5, 1.47318e-4, 1.42487e-4],
  },
  {
    joint: 'elbow_flex',
    body: 'lower arm',
    position: [-0.11257, -0.028, 0],
    quaternion: [h, 0, 0, h],
    range: [-1.69, 1.69],
    mass: 0.104,
    center: [-0.0980701, 0.00324376, 0.0182831],
    inertia: [2.87438e-5, 1.59844e-4, 1.4529e-4],
  },
  {
    joint: 'wrist_flex',
    body: 'wrist',
    position: [-0.1349, 0.0052, 0],
    quaternion: [h, 0, 0, -h],
    range: [-1.65806, 1.65806],
    mass: 0.079,
    center: [-0.000103312, -0.0386143, 0.0281156],
    inertia: [3.68263e-5, 2.5391e-5, 2.1e-5],
  },
  {
    joint: 'wrist_roll',
    body: 'hand',
    position: [0, -0.0611, 0.0181],
    quaternion: [0.0172091, -0.0172091, 0.706897, 0.706897],
    range: [-2.74385, 2.84121],
    mass: 0.087,
    center: [0.000213627, 0.000245138, -0.025187],
    inertia: [2.75087e-5, 4.33657e-5, 3.45059e-5],
  },
  {
    joint: 'gripper',
    body: 'jaw',
    position: [0.0202, 0.0188, -0.0234],
    quaternion: [h, h, 0, 0],
    range: [-0.174533, 1.74533],
    mass: 0.012,
    center: [-0.00157495, -0.0300244, 0.0192755],
    inertia: [6.61427e-6, 1.89032e-6, 5.28738e-6],
  },
];

/** Of the model: the servos' damping, friction and reflected inertia, gains and torque. */
export const SERVO = {
  damping: 0.6,
  frictionloss: 0.052,
  armature: 0.028,
  kp: 998.22,
  kv: 2.731,
  torque: 3.35,
  /** LeRobot lets the gripper's servo use half of its torque. */
  gripperTorque: 1.5,
} as const;

/** An STS3215 without load: 60° in 0.222 s (45 rpm), degrees per second. */
export const SERVO_SPEED = 60 / 0.222;
/** LeRobot sets Acceleration and Maximum_Acceleration to 254, of 100 of the encoder's 4096 steps per second squared: degrees. */
export const SERVO_ACCELERATION = (254 * 100 * 360) / 4096;

/** Between the tips of the closed jaws, in the hand's frame (the model's gripperframe). The hand points along its −z, and closes along x. */
export const TIP: Vector = [-0.0079, 0, -0.0981];
