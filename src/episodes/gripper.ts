/** Gripper conventions (openvla-oft, prismatic/vla/datasets/rlds/utils/data_utils.py), in float32 as there. */

/** LIBERO's −1 open, 1 closed → 1 open, 0 closed: `invert_gripper_actions(tf.clip_by_value(x, 0, 1))`. */
export function clipAndInvert(rows: Float32Array, width: number, column: number): Float32Array {
  const out = rows.slice();
  for (let i = column; i < out.length; i += width) {
    const x = out[i]!;
    // NaN stays NaN, as it does in TensorFlow.
    out[i] = 1 - (x < 0 ? 0 : x > 1 ? 1 : x);
  }
  return out;
}

/**
 * Openings between 0.05 and 0.95 become what the gripper goes to next: 1 open, 0 closed (`binarize_gripper_actions`).
 * What is still between at the end keeps the last value as it is.
 */
export function binarize(openings: Float32Array): Float32Array {
  const out = openings.slice();
  let carry = out.at(-1) ?? 0;
  for (let i = out.length - 1; i >= 0; i--) {
    const x = openings[i]!;
    if (x > Math.fround(0.95)) carry = 1;
    else if (x < Math.fround(0.05)) carry = 0;
    out[i] = carry;
  }
  return out;
}
