import type { Episode } from '../dataset.ts';
import type { Finding } from './finding.ts';

/** Of a step: LeRobot refuses more than 1e-4 s at its usual 10 to 50 Hz; a frame is still the right one up to half a step. */
const OFF_SHARE = 0.25;

/** Steps whose time is not where the rate says. */
export function offTimestamps(
  { index, timestamps }: Pick<Episode, 'index' | 'timestamps'>,
  fps: number,
): Finding[] {
  if (!timestamps || timestamps.length < 2) return [];
  let first = -1;
  let count = 0;
  let largest = 0;
  for (let step = 1; step < timestamps.length; step++) {
    const off = Math.abs((timestamps[step]! - timestamps[step - 1]!) * fps - 1);
    // A time that is not a number is off, too.
    if (off <= OFF_SHARE) continue;
    if (first < 0) first = step;
    count++;
    largest = Math.max(largest, off);
  }
  if (count === 0) return [];
  const last = timestamps.at(-1)! - timestamps[0]!;
  const measured = (timestamps.length - 1) / last;
  const steady = count > timestamps.length / 2 && Number.isFinite(measured) && measured > 0;
  return [
    {
      id: 'timestamps',
      severity: 'warning',
      episode: index,
      from: first,
      to: first + 1,
      message: steady
        ? `Its time stamps say ${measured.toFixed(1)} steps per second, the dataset ${fps}.`
        : `${count === 1 ? 'One step is' : `${count} steps are`} off the rate of ${fps} Hz, first step ${first}, by up to ${Math.round(largest * 100)} % of a step.`,
      hint: steady
        ? 'Frames and actions are then of different moments. Correct the rate, or record again.'
        : 'The recorder dropped or delayed steps there. Trim the episode, or leave it out if the robot moved meanwhile.',
    },
  ];
}
