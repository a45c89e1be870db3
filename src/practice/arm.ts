/** The drawn arm's joints: two links from the pedestal to the gripper. Physics knows the gripper only. */
import type { Vector } from './objects.ts';

export const SHOULDER: Vector = [-0.3, 0, 0.1];
export const LINKS = [0.31, 0.35] as const;
/** From the tool centre point up to where the arm holds the gripper, metres. */
export const WRIST_HEIGHT = 0.1;

/** Where the elbow is (above the line from shoulder to wrist), metres. */
export function elbowOf(wrist: Vector): Vector {
  const across = [wrist[0] - SHOULDER[0], wrist[1] - SHOULDER[1]] as const;
  const reach = Math.hypot(...across);
  const rise = wrist[2] - SHOULDER[2];
  const [upper, fore] = LINKS;
  const distance = Math.min(Math.hypot(reach, rise), upper + fore - 1e-4);
  const bend = Math.acos((upper ** 2 + distance ** 2 - fore ** 2) / (2 * upper * distance));
  const angle = Math.atan2(rise, reach) + bend;
  const out = (upper * Math.cos(angle)) / Math.max(reach, 1e-6);
  return [
    SHOULDER[0] + across[0] * out,
    SHOULDER[1] + across[1] * out,
    SHOULDER[2] + upper * Math.sin(angle),
  ];
}
