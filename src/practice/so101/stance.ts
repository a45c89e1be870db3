/** How the SO-101 works over the table. */

/** Of the hand, outwards from straight down, radians: the wrist cannot point it straight down far above the table. */
export const LEAN = 0.42;
/** Of the jaw before it closes on something, per cent: a block and a finger's room. */
export const OPEN = 38;
