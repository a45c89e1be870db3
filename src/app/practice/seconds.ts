/** Actions per second of the table. */
const CONTROL_HZ = 10;

/** How long so many actions take. */
export const seconds = (steps: number): string => `${Number((steps / CONTROL_HZ).toFixed(1))} s`;
