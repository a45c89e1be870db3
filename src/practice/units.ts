/** Largest step of the tool centre point per action and axis, metres (an action of ±1). */
export const MAX_TRANSLATION = 0.025;
/** Largest turn about the vertical per action, radians. */
export const MAX_ROTATION = 0.25;
