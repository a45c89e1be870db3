/** How the SO-101 works over the table. */

/** Of the hand, outwards from straight down, radians: the wrist cannot point it straight down far above the table. */
export const LEAN = 0.42;
/** Of the jaw before it closes on something, per cent: a block with a centimetre and more on either side. */
export const OPEN = 46;
/**
 * Of the wrist, radians, where an episode begins: about this one of its two half turns, so that the camera is always on the same side of
 * the hand. It looks down from the front, as the table's own does.
 */
export const ROLL = -1.6;
