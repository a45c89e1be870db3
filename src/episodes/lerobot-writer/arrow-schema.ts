import type { DataType, Field as ArrowField } from 'apache-arrow';
import type { Column, ColumnType } from './parquet-file.ts';

/**
 * The columns as Arrow knows them, in the footer under `ARROW:schema` as pyarrow writes it: base64 of an encapsulated schema message.
 * Parquet itself has no lists of a fixed length; without this, `datasets` takes its own note of the length for a contradiction and drops it.
 */
export async function arrowSchema(
  columns: readonly Column[],
  about: Readonly<Record<string, string>>,
): Promise<string> {
  const arrow = await import('apache-arrow');
  const field = (name: string, type: ColumnType): ArrowField => new arrow.Field(name, typeOf(type), true);
  const typeOf = (type: ColumnType): DataType => {
    if (type === 'int64') return new arrow.Int64();
    if (type === 'float32') return new arrow.Float32();
    if (type === 'float64') return new arrow.Float64();
    if (type === 'string') return new arrow.Utf8();
    if (type === 'image') {
      const bytes: ArrowField = new arrow.Field('bytes', new arrow.Binary(), true);
      return new arrow.Struct([bytes, field('path', 'string')]);
    }
    const { list, depth, length } = type;
    const element = field('element', depth === 1 ? list : { list, depth: depth - 1 });
    return length === undefined ? new arrow.List(element) : new arrow.FixedSizeList(length, element);
  };
  // Where there is this schema, pyarrow takes its metadata for the file's.
  const metadata = new Map(Object.entries(about));
  const schema = new arrow.Schema(
    columns.map(({ name, type }) => field(name, type)),
    metadata,
  );
  // A stream begins with the schema's message: a marker, its length, and as many bytes.
  const stream = arrow.tableToIPC(new arrow.Table(schema), 'stream');
  const length = new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
  return btoa(Array.from(stream.subarray(0, 8 + length), (byte) => String.fromCharCode(byte)).join(''));
}
