/** Time that goes by with a drive's actions alone: what is tried comes out the same however long a prediction takes. */
import type { Drive } from './drive.ts';

export interface SteppedTime {
  /** Milliseconds since it began. */
  now(): number;
  /** Lets time go by until so many actions were carried out, or the drive is over. */
  carry(step: number): Promise<void>;
}

/** @param advance lets a period go by for the robot */
export function steppedTime(drive: Drive, periodMs: number, advance: () => void): SteppedTime {
  let now = 0;
  return {
    now: () => now,
    carry: async (step) => {
      while (drive.carried < step && !drive.ended) {
        drive.tick(now);
        advance();
        now += periodMs;
        drive.settle();
      }
    },
  };
}
