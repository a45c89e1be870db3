/** What every action passes before it is carried out, whoever it is from: a policy, a recording, a hand. */

/**
 * Clamps to −1…1 and slows down: translation and rotation are shares of the largest step, so a share of a share is a slower one. The gripper
 * is left alone. Anything that is not a number becomes standing still.
 * @param action [7], as the table takes it
 * @param speedLimit share of the largest step, 0…1
 */
export function guardAction(action: readonly number[], speedLimit: number): number[] {
  return action.map((value, i) => {
    const finite = Number.isFinite(value) ? value : 0;
    if (i === action.length - 1) return Math.min(1, Math.max(0, finite));
    return Math.min(speedLimit, Math.max(-speedLimit, finite));
  });
}
