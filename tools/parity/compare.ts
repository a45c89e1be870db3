/** One line of a parity report. */
export interface Row {
  stage: string;
  /** ‖ours − theirs‖ / ‖theirs‖ over the whole tensor. */
  relative: number;
  /** Largest |ours − theirs|. */
  absolute: number;
  /** Largest |ours − theirs| by the largest |theirs|. */
  peak: number;
  /** Which of them is held to `limit`. */
  measure: Measure;
  limit: number;
  ok: boolean;
}

export type Measure = 'absolute' | 'relative' | 'peak';

export interface Limit {
  measure: Measure;
  limit: number;
}

/**
 * @throws when the lengths differ: that is a wrong shape, not an error to be measured
 */
export function compare(
  stage: string,
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  { measure, limit }: Limit,
): Row {
  if (ours.length !== theirs.length) {
    throw new Error(`${stage}: ours has ${ours.length} values, theirs ${theirs.length}`);
  }
  let difference = 0;
  let norm = 0;
  let absolute = 0;
  let largest = 0;
  for (let i = 0; i < ours.length; i++) {
    const d = Math.abs(ours[i]! - theirs[i]!);
    difference += d * d;
    norm += theirs[i]! * theirs[i]!;
    largest = Math.max(largest, Math.abs(theirs[i]!));
    // NaN must not pass as small.
    if (!(d <= absolute)) absolute = d;
  }
  const relative = norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
  const peak = largest === 0 ? absolute : absolute / largest;
  const ok = { relative, absolute, peak }[measure] <= limit;
  return { stage, relative, absolute, peak, measure, limit, ok };
}

/** How near a row is to its limit; above 1 it fails. */
export function severity(row: Row): number {
  const measured = row[row.measure];
  return Number.isNaN(measured)
    ? Infinity
    : row.limit === 0
      ? measured === 0
        ? 0
        : Infinity
      : measured / row.limit;
}

export function worstOf(rows: readonly Row[]): Row | undefined {
  return rows.toSorted((a, b) => severity(b) - severity(a))[0];
}
