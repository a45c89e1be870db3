/** The table's main camera looks down at 43°: sine and cosine of it. */
const DOWN = Math.sin(Math.atan2(0.46, 0.495));
const ALONG = Math.cos(Math.atan2(0.46, 0.495));
/** A way as long as this reaches the edge of the picture, metres. */
const EDGE = 0.2;

/** To the edge of the picture and no further. */
const clip = (metres: number): number => Math.max(-1, Math.min(1, metres / EDGE));

/**
 * A chunk as an arrow in the picture of the table's main camera, which looks along −x.
 * @param actions [chunk][7], of which the first three are steps along x, y, z
 * @param step metres of an action of 1
 * @returns right and down in the picture, −1…1, and the length of the way
 */
export function arrowOf(
  actions: readonly (readonly number[])[],
  step: number,
): { readonly x: number; readonly y: number; readonly metres: number } {
  const way = [0, 1, 2].map((axis) => step * actions.reduce((sum, action) => sum + action[axis]!, 0));
  const [x, y, z] = way as [number, number, number];
  return { x: clip(y), y: clip(DOWN * x - ALONG * z), metres: Math.hypot(x, y, z) };
}
