/** Levels and values of decoded pages → the cells of a column. */
import type { Leaf, LeafPage } from './page.ts';

export type Numbers = Float32Array | Float64Array;

/** Cells of a column in a row group. */
export interface Cells {
  /** Numbers and booleans in a typed array, NaN where one is null; anything else as it is, null included. */
  readonly values: Numbers | readonly unknown[];
  /** Where the items of each row start, and the end of the last; null where every row has one value. */
  readonly starts: Uint32Array | null;
}

/** What holds each type without loss; an index of 2^53 rows is out of reach. */
export const NUMBERS: Readonly<Record<string, new (length: number) => Numbers>> = {
  BOOLEAN: Float32Array,
  FLOAT: Float32Array,
  INT32: Float64Array,
  INT64: Float64Array,
  DOUBLE: Float64Array,
};
/** Levels and values → cells, nulls included. @throws Error where the rows are not as many as they should be */
export function assembled(
  pages: readonly LeafPage[],
  leaf: Leaf,
  rows: number,
  numbers?: new (length: number) => Numbers,
): Cells {
  const most = pages.reduce((sum, { count }) => sum + count, 0);
  const values: Numbers | unknown[] = numbers ? new numbers(most) : [];
  const starts = leaf.maxRepetition > 0 ? new Uint32Array(rows + 1) : null;
  let row = 0;
  let length = 0;
  const put = (value: unknown) => {
    // Number turns bigint and boolean into numbers; a null is not 0.
    values[length++] = numbers ? (value === null ? Number.NaN : Number(value)) : value;
  };
  for (const page of pages) {
    let next = 0;
    for (let i = 0; i < page.count; i++) {
      const level = page.definition[i] ?? leaf.maxDefinition;
      if (starts && (page.repetition[i] ?? 0) === 0) {
        if (row >= rows) throw new Error(`a column has more than ${rows} rows`);
        starts[row++] = length;
      }
      if (level === leaf.maxDefinition) put(page.values[next++] ?? null);
      else if (!starts || level >= leaf.itemDefinition) put(null);
    }
  }
  const found = starts ? row : length;
  if (found !== rows) throw new Error(`a column has ${found} rows where ${rows} are expected`);
  starts?.fill(length, rows);
  return { values: numbers ? (values as Numbers).subarray(0, length) : values, starts };
}
