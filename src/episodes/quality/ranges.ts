/** What the values of a dimension reach: nothing but one value, a limit, or other values than the policy knows. */
import type { Column, Field } from './columns.ts';
import { short, type Finding } from './finding.ts';

/** A smooth motion touches its limits for a few per cent of the steps at most. */
const CLIPPED_SHARE = 0.15;
/** Every motion has a largest and a smallest value; a limit is where more than this share of them lies. */
const TOUCHED_SHARE = 0.01;
/** Of a dimension's span: the policy's data ends at the same limit. */
const SAME_LIMIT_SHARE = 0.01;
/** Of the policy's q01..q99. Another task moves the range somewhat; other units move it far. */
const OUTSIDE_SHARE = 0.25;
/** Of the policy's q01..q99. Less than this and normalised values are all but the same: metres for millimetres, say. */
const COVERED_SHARE = 0.05;

/** Of the widest dimension's range: what spans less is noise in both, whatever its unit. */
const NOISE_SHARE = 1e-3;

/** Of the data a policy was trained on. */
export interface DimensionRange {
  readonly name: string;
  readonly q01: number;
  readonly q99: number;
}

/** A finding about one dimension, but for its place; the message lacks its subject. */
type Described = Pick<Finding, 'id' | 'severity' | 'message' | 'hint'>;

/** @param policy ranges by position */
export function rangeFindings(
  name: 'action' | 'state',
  { size, columns }: Field,
  policy: readonly DimensionRange[] | null | undefined,
): Finding[] {
  // Where the numbers of dimensions differ, fit.ts refuses the dataset; there is nothing to compare.
  const ranges = policy?.length === size ? policy : null;
  const noise =
    NOISE_SHARE * Math.max(0, ...[...columns, ...(ranges ?? [])].map(({ q01, q99 }) => q99 - q01));
  return columns.flatMap((column) => {
    const range = ranges?.[column.at] ?? null;
    const described =
      column.min === column.max
        ? [constant(column.min, range)]
        : [clipped(column, range), range && mismatch(column, range, noise)].filter((one) => one !== null);
    return described.map((one) => ({
      ...one,
      episode: null,
      dimension: column.name,
      message: `"${column.name}" of the ${name} ${one.message}`,
    }));
  });
}

function constant(value: number, range: DimensionRange | null): Described {
  const expected = range !== null && range.q01 === range.q99;
  return {
    id: 'constant',
    severity: expected ? 'note' : 'warning',
    message: `is always ${short(value)}${expected ? ', as it never changed in the policy’s own data' : ''}.`,
    hint: expected
      ? 'Nothing to do.'
      : 'If the robot can move there, check the recorder. If the task needs no such motion, this is fine: it is learnt as standing still.',
  };
}

/** Where 0 is the limit it is rest, not a stop. */
function clipped(column: Column, range: DimensionRange | null): Described | null {
  if (column.isSwitch || column.isGripper) return null;
  const ends = [
    { limit: column.min, policy: range?.q01 },
    { limit: column.max, policy: range?.q99 },
  ]
    .map((end) => ({ ...end, share: shareOf(column.values, end.limit) }))
    .filter((end) => end.limit !== 0 && end.share > TOUCHED_SHARE);
  const share = ends.reduce((sum, end) => sum + end.share, 0);
  if (share < CLIPPED_SHARE) return null;
  const known = ends.every(
    ({ limit, policy }) => policy !== undefined && Math.abs(limit - policy) <= SAME_LIMIT_SHARE * column.span,
  );
  const limits = ends.map(({ limit }) => short(limit)).join(' or ');
  return {
    id: 'clipped',
    severity: known ? 'note' : 'warning',
    message: `sits exactly at its limit (${limits}) in ${Math.round(share * 100)} % of the steps${known ? '; the policy’s own data ends there too' : ''}.`,
    hint: known
      ? 'Nothing to do.'
      : 'What was meant beyond the limit is lost. Move more slowly, or raise the limit of the controller or the recorder.',
  };
}

const shareOf = (values: Float32Array, wanted: number) =>
  values.filter((value) => value === wanted).length / values.length;

function mismatch({ q01, q99 }: Column, range: DimensionRange, noise: number): Described | null {
  const width = Math.max(range.q99 - range.q01, noise);
  const outside = Math.max(range.q01 - q01, q99 - range.q99) > OUTSIDE_SHARE * width;
  const narrow = width > noise && q99 - q01 < COVERED_SHARE * width;
  if (!outside && !narrow) return null;
  return {
    id: 'statistics',
    severity: 'warning',
    message:
      `goes from ${short(q01)} to ${short(q99)}, in the policy’s own data from ${short(range.q01)} to ${short(range.q99)}: ` +
      `${outside ? 'far outside it' : 'a small part of it'}.`,
    hint: 'Check the units (m or mm, rad or degrees), the order of the dimensions, and whether values are positions or differences.',
  };
}
