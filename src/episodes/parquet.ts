/** Rows of small Parquet tables, such as lists of episodes and tasks. */
import type { Folder } from '../io/folder.ts';
import { ModelError } from '../base/errors.ts';
import { ParquetFile } from './parquet/parquet-file.ts';

export type Row = Readonly<Record<string, unknown>>;

/**
 * Rows of a Parquet file; only the row groups and columns asked for are read. Lists come as arrays, nulls as null, numbers as number
 * (NaN for null), texts as bytes (`toText`), structs as objects.
 * @param columns default all
 * @param range of rows; default all
 * @throws ModelError `bad-file` for what is not Parquet, or lacks a column
 */
export async function readParquet(
  folder: Folder,
  path: string,
  columns: readonly string[] | null,
  range: { start: number; end: number } | null = null,
): Promise<Row[]> {
  const file = await ParquetFile.open(await folder.open(path));
  return rowsOf(file, path, columns, range);
}

/** @see readParquet */
export async function rowsOf(
  file: ParquetFile,
  path: string,
  columns: readonly string[] | null,
  range: { start: number; end: number } | null = null,
): Promise<Row[]> {
  const lacking = columns?.filter((column) => !file.columns.includes(column)) ?? [];
  if (lacking.length > 0) {
    throw new ModelError(
      'bad-file',
      `${path} has no column ${lacking.map((name) => `"${name}"`).join(', ')}; it has ${file.columns.join(', ')}.`,
      'Is it a LeRobot dataset of another version?',
    );
  }
  const { start, end } = range ?? { start: 0, end: file.rows };
  const out: Record<string, unknown>[] = [];
  for (const [group, { start: first, rows }] of file.groups.entries()) {
    const from = Math.max(start - first, 0);
    const to = Math.min(end - first, rows);
    if (from >= to) continue;
    const base = out.length;
    for (let row = from; row < to; row++) out.push({});
    for (const column of columns ?? file.columns) {
      const fields = file.fields(column);
      for (const field of fields.length > 0 ? fields : [null]) {
        const { values, starts } = await file.cells(column, group, field);
        for (let row = from; row < to; row++) {
          const value = starts ? Array.from(values.slice(starts[row], starts[row + 1])) : values[row];
          const into = out[base + row - from]!;
          if (field === null) into[column] = value;
          else into[column] = { ...(into[column] as object | undefined), [field]: value };
        }
      }
    }
  }
  return out;
}

/** Numbers as they come from JSON and Parquet; NaN for what is not a number. */
export function toNumber(value: unknown): number {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : Number.NaN;
}

/** A text, decoded where it comes as bytes; null for what is not a text. */
export function toText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : null;
}
