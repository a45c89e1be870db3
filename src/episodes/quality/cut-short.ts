import { changesOf, median, type Field, type Motion } from './columns.ts';
import type { Finding } from './finding.ts';

/** Of the median length. Tasks end sooner or later, but not in a third of the time. */
const SHORT_SHARE = 1 / 3;
/** With fewer episodes there is no usual length. */
const LEAST_EPISODES = 5;
/** Of the usual step: who has finished slows down. */
const MOVING_SHARE = 0.5;

/**
 * Episodes far shorter than the others that end while the robot moves: the recording broke off.
 * @param chunkSize shorter ones are left out anyway
 */
export function cutShort(motions: readonly Motion[], state: Field | null, chunkSize: number): Finding[] {
  if (motions.length < LEAST_EPISODES || !state) return [];
  const usual = median(motions.map(({ length }) => length));
  return motions.flatMap((motion): Finding[] => {
    if (motion.length < chunkSize || motion.length >= SHORT_SHARE * usual || !endsMoving(motion, state))
      return [];
    return [
      {
        id: 'cut-short',
        severity: 'warning',
        episode: motion.index,
        from: motion.length - 1,
        to: motion.length,
        message: `The episode has ${motion.length} steps where ${usual} are usual, and ends while the robot moves.`,
        hint: 'The recording probably broke off before the task was done. Look at its end, and leave it out if the task is not done.',
      },
    ];
  });
}

function endsMoving({ state, length }: Motion, { size, columns }: Field): boolean {
  if (!state || length < 2) return false;
  return columns.some(({ at, usualStep, isGripper }) => {
    if (usualStep === null || isGripper) return false;
    const last = changesOf(state.subarray((length - 2) * size), at, size)[0]!;
    return last > MOVING_SHARE * usualStep;
  });
}
