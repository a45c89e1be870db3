/** Steps of another length than the policy's, or than the other episodes'. */
import { changesOf, median, quantile, type Field, type Motion } from './columns.ts';
import { short, type Finding } from './finding.ts';

/** As in fit.ts: further off, the policy's actions are too large or too small. */
const RATE_TOLERANCE = 0.1;
/** People differ in speed by a factor of two; a recording at another rate, by more. */
const SPEED_RATIO = 4;
/** The quantile of an episode's steps that tells its speed: a median would tell how long it stands at the end. */
const SPEED_QUANTILE = 0.9;
/** Of an episode's steps: its speed is not told by fewer. */
const KNOWN_STEPS = 0.5;

/** @param expected Hz of the policy's data */
export function otherRate(fps: number, expected: number | undefined): Finding[] {
  if (expected === undefined || Math.abs(fps / expected - 1) <= RATE_TOLERANCE) return [];
  return [
    {
      id: 'mixed-rates',
      severity: 'warning',
      episode: null,
      message: `The demonstrations have ${short(fps)} steps per second, the policy’s own data ${short(expected)}.`,
      hint: 'A step then means another distance. Resample the recording to the policy’s rate, or record at it.',
    },
  ];
}

/** Without a state nothing tells an action that is a position from one that is a difference, so there is no speed. */
export function otherSpeeds(motions: readonly Motion[], state: Field | null, fps: number): Finding[] {
  if (!state) return [];
  const speeds = motions
    .map((motion) => ({ index: motion.index, speed: typicalSpeed(motion, state) }))
    .filter(({ speed }) => speed > 0);
  const usual = median(speeds.map(({ speed }) => speed));
  return speeds.flatMap(({ index, speed }): Finding[] => {
    const ratio = Math.max(speed / usual, usual / speed);
    if (ratio <= SPEED_RATIO) return [];
    return [
      {
        id: 'mixed-rates',
        severity: 'warning',
        episode: index,
        message: `The robot moves ${short(ratio)} times as ${speed > usual ? 'far' : 'little'} per step as in the median episode.`,
        hint: `Recorded at another rate than ${short(fps)} steps per second, or far ${speed > usual ? 'faster' : 'slower'}? Leave it out, or record it again like the others.`,
      },
    ];
  });
}

/**
 * A fast step's |Δstate|, each dimension as a share of its span; those that mostly stand, and grippers, tell no speed. Steps with a
 * value that is not finite are left out; 0 where too few are left.
 */
function typicalSpeed({ length, state }: Motion, { size, columns }: Field): number {
  if (!state) return 0;
  const squares = new Float64Array(Math.max(0, length - 1));
  for (const { at, span, usualStep, isGripper } of columns) {
    if (usualStep === null || isGripper) continue;
    for (const [step, change] of changesOf(state, at, size).entries()) squares[step]! += (change / span) ** 2;
  }
  const known = [...squares].filter(Number.isFinite);
  return known.length < KNOWN_STEPS * squares.length ? 0 : Math.sqrt(quantile(known, SPEED_QUANTILE));
}
