/** The footer of a Parquet file, and whether what it claims can be. */
import type { ColumnChunk, FileMetaData, RowGroup } from 'hyparquet';
import type { ByteReader } from '../../io/byte-reader.ts';
import { viewOf } from './page.ts';
import { checkThrift } from './untrusted.ts';

const MAGIC = 0x31524150;
const END_BYTES = 8;
/** Most footers fit in here, so that one request is enough. */
const FIRST_READ = 64 * 2 ** 10;
const MOST_FOOTER_BYTES = 64 * 2 ** 20;
/** Even a row of constants takes some bits in each column; a file that claims more rows than this is damaged. */
const MOST_ROWS_PER_BYTE = 8;
const MOST_VALUES_PER_BYTE = 64;
const SPARE_ROWS = 1024;
/** Magic and metadata, as hyparquet takes them. @throws Error for what is not Parquet */
export async function footerOf(file: ByteReader): Promise<Uint8Array<ArrayBuffer>> {
  const { byteLength } = file;
  if (byteLength < END_BYTES + 4) throw new Error(`it has ${byteLength} bytes`);
  const first = await file.slice(Math.max(0, byteLength - FIRST_READ), byteLength);
  const view = viewOf(first);
  if (view.getUint32(first.byteLength - 4, true) !== MAGIC) throw new Error('it does not end with PAR1');
  const length = view.getUint32(first.byteLength - END_BYTES, true);
  if (length > Math.min(MOST_FOOTER_BYTES, byteLength - END_BYTES)) {
    throw new Error(`it claims a footer of ${length} bytes`);
  }
  const footer = await file.slice(byteLength - END_BYTES - length, byteLength);
  checkThrift(viewOf(footer.subarray(0, length)), 0);
  return footer;
}

/** Bytes of a column chunk, its dictionary included. */
export function rangeOf(chunk: ColumnChunk): { start: number; end: number } {
  const meta = chunk.meta_data!;
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  return { start, end: start + Number(meta.total_compressed_size) };
}

/** @throws Error for rows, values or bytes that cannot be in the file */
export function checkMetadata(metadata: FileMetaData, byteLength: number): void {
  const mostRows = MOST_ROWS_PER_BYTE * byteLength + SPARE_ROWS;
  let rows = 0;
  for (const group of metadata.row_groups) {
    const count = Number(group.num_rows);
    if (!(Number.isSafeInteger(count) && count >= 0 && (rows += count) <= mostRows)) {
      throw new Error(`it claims ${count} rows in ${byteLength} bytes`);
    }
    for (const chunk of group.columns) checkChunk(chunk, group, byteLength);
  }
}

function checkChunk(chunk: ColumnChunk, group: RowGroup, byteLength: number): void {
  const meta = chunk.meta_data;
  if (!meta) throw new Error('a column is described in another file');
  const { start, end } = rangeOf(chunk);
  const inside = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end;
  if (!inside || end > byteLength) {
    throw new Error(`a column claims bytes ${start} to ${end} of ${byteLength}`);
  }
  const values = Number(meta.num_values);
  const most = MOST_VALUES_PER_BYTE * byteLength + SPARE_ROWS;
  if (!(Number.isSafeInteger(values) && values >= 0 && values <= Math.max(most, Number(group.num_rows)))) {
    throw new Error(`a column claims ${values} values in ${byteLength} bytes`);
  }
}
