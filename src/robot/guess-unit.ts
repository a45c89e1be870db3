/** Units from names and ranges. What the numbers cannot tell apart is left open, with the choices. */

export interface GuessedUnit {
  readonly unit: string;
  /** False where the numbers fit more than one of `choices`. */
  readonly certain: boolean;
  /** The likeliest first. */
  readonly choices: readonly string[];
}

interface Range {
  readonly min: number;
  readonly max: number;
}

export const DEGREES = 'deg';
export const RADIANS = 'rad';
export const METRES = 'm';
export const MILLIMETRES = 'mm';
/** LeRobot's calibrated range of a joint. */
export const PER_CENT_OF_RANGE = '−100…100';
/** ±1 is the largest step of the controller. */
export const SCALED = 'scaled';
export const OPEN_CLOSE = 'open–close';

const GRIPPER = /grip|jaw|finger/i;
const JOINT = /joint|shoulder|elbow|wrist|waist|forearm|pan|lift|flex|\broll\b.*\.pos|_roll\.pos|qpos|motor/i;
const ANGLE = /roll|pitch|yaw|axis.?angle|rotation|^r[xyz]$|euler|theta/i;
const PLACE = /^(eef|ee|tcp|pos|position)?[_. ]?(d)?[xyz]$|translation|^[xyz][_. ]/i;

/** A full turn each way, with room for an encoder that counts on. */
const MOST_RADIANS = 2.2 * Math.PI;
/** A calibrated joint stays within ±100, with the overshoot of a servo. */
const PER_CENT_LIMIT = 105;

export function isGripper(name: string): boolean {
  return GRIPPER.test(name);
}

/** @param kind a difference is far smaller than what it is a difference of */
export function guessUnit(name: string, range: Range, kind: 'absolute' | 'delta' | 'unclear'): GuessedUnit {
  const largest = Math.max(Math.abs(range.min), Math.abs(range.max));
  if (!Number.isFinite(largest)) return open([DEGREES, RADIANS, METRES]);
  if (isGripper(name)) return gripperUnit(range);
  const named = /deg/i.test(name) ? DEGREES : /\brad(ians?)?\b/i.test(name) ? RADIANS : null;
  if (named) return { unit: named, certain: true, choices: [named] };
  if (kind === 'delta') return deltaUnit(name, largest);
  if (JOINT.test(name)) return jointUnit(largest);
  if (ANGLE.test(name)) return largest <= MOST_RADIANS ? sure(RADIANS, DEGREES) : sure(DEGREES, RADIANS);
  if (PLACE.test(name)) return largest <= 3 ? sure(METRES, MILLIMETRES) : sure(MILLIMETRES, METRES);
  return open(
    largest <= MOST_RADIANS ? [RADIANS, METRES, SCALED] : [DEGREES, PER_CENT_OF_RANGE, MILLIMETRES],
  );
}

function jointUnit(largest: number): GuessedUnit {
  if (largest <= MOST_RADIANS) return sure(RADIANS, DEGREES);
  // Degrees of an arm and per cent of its range look alike below 100.
  if (largest <= PER_CENT_LIMIT) return open([DEGREES, PER_CENT_OF_RANGE]);
  return sure(DEGREES);
}

function deltaUnit(name: string, largest: number): GuessedUnit {
  // Within ±1 and near it: an input device's or a controller's own scale, as LIBERO's.
  if (largest > 0.3 && largest <= 1.0001) return open([SCALED, ANGLE.test(name) ? RADIANS : METRES]);
  if (ANGLE.test(name) || JOINT.test(name))
    return largest <= 1 ? sure(RADIANS, DEGREES) : sure(DEGREES, RADIANS);
  return largest <= 1 ? sure(METRES, SCALED) : sure(MILLIMETRES, METRES);
}

/** Openings come as 0…1, −1…1, 0…100, metres between the fingers, or the angle of a jaw. */
function gripperUnit({ min, max }: Range): GuessedUnit {
  if (min >= -0.15 && max <= 0.15 && max > 0) return open([METRES, OPEN_CLOSE]);
  if (min >= -1.0001 && max <= 1.0001) return sure(OPEN_CLOSE);
  if (min >= -5 && max <= PER_CENT_LIMIT) return open([OPEN_CLOSE, DEGREES]);
  return open([DEGREES, PER_CENT_OF_RANGE, OPEN_CLOSE]);
}

function sure(unit: string, ...others: string[]): GuessedUnit {
  return { unit, certain: true, choices: [unit, ...others] };
}

function open(choices: readonly [string, ...string[]]): GuessedUnit {
  return { unit: choices[0], certain: false, choices };
}
