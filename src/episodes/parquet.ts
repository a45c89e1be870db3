import { ModelError } from '../model/errors.ts';
import type { Folder } from '../io/folder.ts';

export type Row = Readonly<Record<string, unknown>>;

/**
 * Rows of a Parquet file; only the row groups and columns asked for are read.
 * @param range of rows; default all
 * @throws ModelError `bad-file` for what is no Parquet, or lacks a column
 */
export async function readParquet(
  folder: Folder,
  path: string,
  columns: readonly string[] | null,
  range: { start: number; end: number } | null = null,
): Promise<Row[]> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const file = await folder.open(path);
  const buffer = {
    byteLength: file.byteLength,
    slice: async (start: number, end = file.byteLength) => (await file.slice(start, end)).buffer,
  };
  try {
    const metadata = await parquetMetadataAsync(buffer);
    const known = parquetSchema(metadata).children.map(({ element }) => element.name);
    const lacking = columns?.filter((column) => !known.includes(column)) ?? [];
    if (lacking.length > 0) {
      throw new ModelError(
        'bad-file',
        `${path} has no column ${lacking.map((name) => `"${name}"`).join(', ')}; it has ${known.join(', ')}.`,
        'Is it a LeRobot dataset of another version?',
      );
    }
    const rows: Row[] = await parquetReadObjects({
      file: buffer,
      metadata,
      compressors,
      // Embedded images are bytes, not text.
      utf8: false,
      ...(columns ? { columns: [...columns] } : {}),
      ...(range ? { rowStart: range.start, rowEnd: range.end } : {}),
    });
    return rows;
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError(
      'bad-file',
      `${path} cannot be read as Parquet: ${error instanceof Error ? error.message : String(error)}`,
      'The file is damaged or truncated; copy it again.',
      { cause: error },
    );
  }
}

/** Integers come as bigint. */
export function toNumber(value: unknown): number {
  return typeof value === 'bigint' ? Number(value) : (value as number);
}

/** A text column; without UTF-8 decoding it comes as bytes. */
export function toText(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}
