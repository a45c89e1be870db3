/** One line of a parity report. */
export interface Row {
  stage: string;
  /** ‖ours − theirs‖ / ‖theirs‖ over the whole tensor. */
  relative: number;
  /** Largest |ours − theirs|. */
  absolute: number;
  /** Which of the two is held to `limit`. */
  measure: 'absolute' | 'relative';
  limit: number;
  ok: boolean;
}

export interface Limit {
  measure: 'absolute' | 'relative';
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
  for (let i = 0; i < ours.length; i++) {
    const d = Math.abs(ours[i]! - theirs[i]!);
    difference += d * d;
    norm += theirs[i]! * theirs[i]!;
    // NaN must not pass as small.
    if (!(d <= absolute)) absolute = d;
  }
  const relative = norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
  const measured = measure === 'absolute' ? absolute : relative;
  return { stage, relative, absolute, measure, limit, ok: measured <= limit };
}

/** How near a row is to its limit; above 1 it fails. */
export function severity(row: Row): number {
  const measured = row.measure === 'absolute' ? row.absolute : row.relative;
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
