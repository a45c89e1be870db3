/** Names of dimensions that formats without names are known to have. */

/** End-effector steps, as LIBERO, Bridge and DROID record them; the last is the gripper. */
export const EEF_ACTION = ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'];
const ARM = ['waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate', 'gripper'];
/** ALOHA's two arms (tonyzhaozh/act, constants.py). */
export const ALOHA_JOINTS = ['left', 'right'].flatMap((side) => ARM.map((joint) => `${side}_${joint}`));

const POSITION = ['x', 'y', 'z'];
const ROTATION = ['roll', 'pitch', 'yaw'];

const STATES: Readonly<Record<string, readonly string[]>> = {
  ee_states: [...POSITION, ...ROTATION],
  ee_pos: POSITION,
  ee_ori: ROTATION,
  gripper_states: ['left finger', 'right finger'],
  robot0_eef_pos: POSITION,
  robot0_eef_quat: ['qx', 'qy', 'qz', 'qw'],
  robot0_gripper_qpos: ['left finger', 'right finger'],
  cartesian_position: [...POSITION, ...ROTATION],
  gripper_position: ['gripper'],
};

/** @param feature as it is named in the file */
export function actionNames(feature: string, size: number): string[] {
  if (size === EEF_ACTION.length) return [...EEF_ACTION];
  return size === ALOHA_JOINTS.length ? [...ALOHA_JOINTS] : numbered(feature, size);
}

export function stateNames(feature: string, size: number): string[] {
  const known = STATES[feature];
  if (known?.length === size) return [...known];
  return size === ALOHA_JOINTS.length ? [...ALOHA_JOINTS] : numbered(feature, size);
}

/** A damaged file may claim any size: it is checked before. */
function numbered(feature: string, size: number): string[] {
  return Array.from({ length: size }, (_, i) => (size === 1 ? feature : `${feature} ${i}`));
}
