/** A drive in the time of a clock, for robots that have no time of their own. */
import type { Drive } from './drive.ts';
import type { Clock } from './robot.ts';

/** Ticks in each period until the drive is over. @returns ends it at once */
export function pace(drive: Drive, periodMs: number, clock: Clock): () => void {
  let cancel: (() => void) | null = null;
  const tick = (): void => {
    const now = clock.now();
    try {
      drive.tick(now);
    } catch (error) {
      drive.fail(error);
    }
    if (!drive.ended) cancel = clock.at(drive.due ?? now + periodMs, tick);
  };
  tick();
  return () => {
    cancel?.();
    drive.halt();
  };
}
