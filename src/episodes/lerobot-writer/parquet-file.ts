/** Parquet files with the columns that lerobot's have, written row group by row group. */
import type { KeyValue, SchemaElement } from 'hyparquet';
import type { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { arrowSchema } from './arrow-schema.ts';

type Scalar = 'int64' | 'float32' | 'float64' | 'string';

/** A column's type. Lists of lists, `depth` of them, are what statistics of images come as; `length` is of lists that all have the same. */
export type ColumnType =
  | Scalar
  | 'image'
  | { readonly list: Scalar; readonly depth: number; readonly length?: number };

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** Values of a column: bigints, numbers, strings, `ImageCell`s, or lists of them. */
export type Values = readonly unknown[];

/** As the `datasets` library stores an image. */
export interface ImageCell {
  readonly bytes: Uint8Array;
  readonly path: string;
}

export class ParquetFile {
  readonly #columns: readonly Column[];
  readonly #bytes: ByteWriter;
  readonly #writer: ParquetWriter;
  #finished = false;

  private constructor(columns: readonly Column[], bytes: ByteWriter, writer: ParquetWriter) {
    this.#columns = columns;
    this.#bytes = bytes;
    this.#writer = writer;
  }

  /** @param about key and value of the footer's metadata */
  static async open(
    columns: readonly Column[],
    about: Readonly<Record<string, string>>,
  ): Promise<ParquetFile> {
    const library = await import('hyparquet-writer');
    const bytes = new library.ByteWriter();
    const footer = { ...about, 'ARROW:schema': await arrowSchema(columns, about) };
    const keyValues: KeyValue[] = Object.entries(footer).map(([key, value]) => ({ key, value }));
    const writer = new library.ParquetWriter({
      writer: bytes,
      schema: [
        { name: 'schema', repetition_type: 'REQUIRED', num_children: columns.length },
        ...columns.flatMap(({ name, type }) => elements(name, type)),
      ],
      kvMetadata: keyValues,
    });
    return new ParquetFile(columns, bytes, writer);
  }

  /** Bytes written so far. */
  get byteLength(): number {
    return this.#bytes.offset;
  }

  /** One row group. */
  async add(values: Readonly<Record<string, Values>>): Promise<void> {
    const columnData = this.#columns.map(({ name, type }) => ({
      name,
      data: [...values[name]!],
      // PNGs do not become smaller, and their first bytes say nothing.
      ...(type === 'image'
        ? { codec: 'UNCOMPRESSED' as const, encoding: 'PLAIN' as const, statistics: false }
        : {}),
    }));
    await this.#writer.write({ columnData, rowGroupSize: columnData[0]!.data.length });
  }

  /** What was written since it was last taken; the file is its parts in order. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.getBytes().slice();
    this.#bytes.index = 0;
    return bytes;
  }

  /** The rest of the file, with its footer. */
  async finish(): Promise<Uint8Array<ArrayBuffer>> {
    if (!this.#finished) await this.#writer.finish();
    this.#finished = true;
    return this.take();
  }
}

const PHYSICAL = { int64: 'INT64', float32: 'FLOAT', float64: 'DOUBLE', string: 'BYTE_ARRAY' } as const;

function elements(name: string, type: ColumnType): SchemaElement[] {
  if (type === 'image') {
    return [
      { name, num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      ...elements('path', 'string'),
    ];
  }
  if (typeof type === 'string') {
    const text: Partial<SchemaElement> =
      type === 'string' ? { converted_type: 'UTF8', logical_type: { type: 'STRING' } } : {};
    return [{ name, type: PHYSICAL[type], repetition_type: 'OPTIONAL', ...text }];
  }
  const { list, depth } = type;
  return [
    {
      name,
      num_children: 1,
      repetition_type: 'OPTIONAL',
      converted_type: 'LIST',
      logical_type: { type: 'LIST' },
    },
    { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
    ...elements('element', depth === 1 ? list : { list, depth: depth - 1 }),
  ];
}
