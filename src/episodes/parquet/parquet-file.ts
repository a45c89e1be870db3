/** A Parquet file, read by columns of row groups and by single pages. */
import type { ColumnChunk, DecodedArray, FileMetaData } from 'hyparquet';
import { cachedReader } from '../../io/cached-reader.ts';
import type { ByteReader } from '../../io/byte-reader.ts';
import { ModelError } from '../../base/errors.ts';
import { assembled, NUMBERS, type Cells } from './cells.ts';
import { checkMetadata, footerOf, rangeOf } from './footer.ts';
import { countOf, decodeDictionary, decodePage, loadHyparquet, readPage, viewOf } from './page.ts';
import type { Decoder, Hyparquet, Leaf, LeafPage } from './page.ts';
import { checkThrift } from './untrusted.ts';

/** Decoded pages of images, kept for the next frame. */
const KEPT_PAGE_BYTES = 16 * 2 ** 20;

export interface RowGroupRows {
  /** Its first row, counted over the file. */
  readonly start: number;
  readonly rows: number;
}

/** Where a page lies, and which rows of its row group it holds. */
interface PagePlace {
  readonly offset: number;
  readonly end: number;
  readonly firstRow: number;
}

interface ChunkPages {
  /** Decoded when the first page needs it. */
  readonly dictionary: { readonly offset: number; readonly end: number } | null;
  readonly pages: readonly PagePlace[];
}

export class ParquetFile {
  readonly columns: readonly string[];
  readonly groups: readonly RowGroupRows[];
  readonly rows: number;
  readonly #file: ByteReader;
  readonly #parts: Hyparquet;
  readonly #metadata: FileMetaData;
  readonly #pages = new Map<string, Promise<ChunkPages>>();
  readonly #dictionaries = new Map<string, Promise<DecodedArray>>();
  readonly #decoded = new Map<string, { cells: readonly unknown[]; bytes: number }>();

  private constructor(file: ByteReader, parts: Hyparquet, metadata: FileMetaData) {
    this.#file = file;
    this.#parts = parts;
    this.#metadata = metadata;
    this.columns = parts.parquetSchema(metadata).children.map(({ element }) => element.name);
    let start = 0;
    this.groups = metadata.row_groups.map((group) => {
      const rows = Number(group.num_rows);
      const place = { start, rows };
      start += rows;
      return place;
    });
    this.rows = start;
  }

  /** @throws ModelError `bad-file` for what is not Parquet, or claims what it cannot hold */
  static async open(reader: ByteReader): Promise<ParquetFile> {
    const file = cachedReader(reader, { keptBytes: 8 * 2 ** 20 });
    return asFileError(file.name, async () => {
      const parts = await loadHyparquet();
      const metadata = parts.parquetMetadata((await footerOf(file)).buffer, { geoparquet: false });
      checkMetadata(metadata, file.byteLength);
      return new ParquetFile(file, parts, metadata);
    });
  }

  /** Fields of a struct; empty for a column of values or of lists. */
  fields(column: string): string[] {
    const node = this.#parts
      .parquetSchema(this.#metadata)
      .children.find(({ element }) => element.name === column);
    const list = node?.children.length === 1 && node.children[0]!.element.repetition_type === 'REPEATED';
    return list ? [] : (node?.children.map(({ element }) => element.name) ?? []);
  }

  /** The same value in every row of a group, where its statistics say so: an episode's index often is. */
  constantIn(column: string, group: number): number | null {
    const [chunk] = this.#chunksOf(column, group);
    const { min_value: min, max_value: max, null_count: nulls } = chunk?.meta_data?.statistics ?? {};
    const known = (typeof min === 'bigint' || typeof min === 'number') && min === max && !Number(nulls ?? 0);
    return known ? Number(min) : null;
  }

  /**
   * All values of a column in a row group.
   * @param field of a struct
   * @throws ModelError `bad-file` for a column that the file does not have, or that is damaged
   */
  async cells(column: string, group: number, field: string | null = null): Promise<Cells> {
    return asFileError(this.#file.name, async () => {
      const chunk = this.#leafChunk(column, group, field);
      const leaf = this.#leaf(chunk);
      const { start, end } = rangeOf(chunk);
      const bytes = await this.#file.slice(start, end);
      const decoder = this.#decoder(chunk, leaf);
      const most = Number(chunk.meta_data!.num_values);
      const pages: LeafPage[] = [];
      let dictionary: DecodedArray | undefined;
      let seen = 0;
      for (let at = 0; seen < most && at < bytes.byteLength;) {
        const page = readPage(this.#parts, bytes, at, most - seen);
        at = page.next;
        if (page.header.dictionary_page_header) dictionary = decodeDictionary(this.#parts, page, decoder);
        else {
          const decoded = decodePage(this.#parts, page, leaf, decoder, dictionary);
          if (!decoded) continue;
          pages.push(decoded);
          seen += decoded.count;
        }
      }
      return assembled(pages, leaf, this.groups[group]!.rows, NUMBERS[decoder.type]);
    });
  }

  /**
   * One cell of a column with one value a row, such as an embedded image; only its page is read.
   * @param field of a struct
   * @param row counted over the file
   */
  async cell(column: string, field: string | null, row: number): Promise<unknown> {
    return asFileError(this.#file.name, async () => {
      const group = this.groups.findIndex(({ start, rows }) => start <= row && row < start + rows);
      if (group === -1) throw new Error(`row ${row} of ${this.rows} was asked for`);
      const chunk = this.#leafChunk(column, group, field);
      const key = `${column}/${field}/${group}`;
      const known = this.#pages.get(key) ?? this.#findPages(chunk, group);
      this.#pages.set(key, known);
      known.catch(() => this.#pages.delete(key));
      const found = await known;
      const local = row - this.groups[group]!.start;
      const at = found.pages.findLastIndex(({ firstRow }) => firstRow <= local);
      const cells = await this.#pageCells(`${key}/${at}`, chunk, found, at, key);
      return cells[local - found.pages[at]!.firstRow] ?? null;
    });
  }

  /** Page cells of one value a row, kept for the next frame. */
  async #pageCells(
    key: string,
    chunk: ColumnChunk,
    { dictionary, pages }: ChunkPages,
    at: number,
    chunkKey: string,
  ): Promise<readonly unknown[]> {
    const kept = this.#decoded.get(key);
    if (kept) {
      this.#decoded.delete(key);
      this.#decoded.set(key, kept);
      return kept.cells;
    }
    const leaf = this.#leaf(chunk);
    const decoder = this.#decoder(chunk, leaf);
    const most = Number(chunk.meta_data!.num_values);
    const { offset, end } = pages[at]!;
    const page = readPage(this.#parts, await this.#file.slice(offset, end), 0, most);
    const encoding = page.header.data_page_header?.encoding ?? page.header.data_page_header_v2?.encoding;
    const words =
      dictionary && encoding?.endsWith('DICTIONARY')
        ? await this.#dictionary(chunkKey, dictionary, decoder, most)
        : undefined;
    const decoded = decodePage(this.#parts, page, leaf, decoder, words);
    const cells = decoded ? [...assembled([decoded], leaf, decoded.count).values] : [];
    const bytes = cells.reduce<number>(
      (sum, cell) => sum + (cell instanceof Uint8Array ? cell.byteLength : 16),
      0,
    );
    this.#decoded.set(key, { cells, bytes });
    let total = [...this.#decoded.values()].reduce((sum, one) => sum + one.bytes, 0);
    for (const [oldest, one] of this.#decoded) {
      if (total <= KEPT_PAGE_BYTES || this.#decoded.size === 1) break;
      this.#decoded.delete(oldest);
      total -= one.bytes;
    }
    return cells;
  }

  #dictionary(
    key: string,
    { offset, end }: { offset: number; end: number },
    decoder: Decoder,
    most: number,
  ): Promise<DecodedArray> {
    const known = this.#dictionaries.get(key);
    if (known) return known;
    const read = this.#file
      .slice(offset, end)
      .then((bytes) => decodeDictionary(this.#parts, readPage(this.#parts, bytes, 0, most), decoder));
    // One row group's is enough: frames are mostly read in order.
    for (const other of this.#dictionaries.keys()) {
      if (other.slice(0, other.lastIndexOf('/')) === key.slice(0, key.lastIndexOf('/')))
        this.#dictionaries.delete(other);
    }
    this.#dictionaries.set(key, read);
    read.catch(() => this.#dictionaries.delete(key));
    return read;
  }

  /** Where the pages of a chunk lie: from the offset index where the file has one, else from one page header to the next. */
  async #findPages(chunk: ColumnChunk, group: number): Promise<ChunkPages> {
    const { start, end } = rangeOf(chunk);
    const index = await this.#offsetIndex(chunk);
    if (index) {
      const first = index[0]!.offset;
      return { dictionary: first > start ? { offset: start, end: first } : null, pages: index };
    }
    const { rows } = this.groups[group]!;
    const pages: PagePlace[] = [];
    let dictionary: ChunkPages['dictionary'] = null;
    let row = 0;
    for (let offset = start; offset < end && row < rows;) {
      const { header, headerBytes } = await this.#headerAt(offset, end);
      const next = offset + headerBytes + header.compressed_page_size;
      if (!(header.compressed_page_size >= 0 && next <= end)) {
        throw new Error(`a page claims ${header.compressed_page_size} bytes where ${end - offset} are left`);
      }
      if (header.dictionary_page_header) dictionary = { offset, end: next };
      else if (header.data_page_header ?? header.data_page_header_v2) {
        const count = countOf(header);
        if (!(count >= 0 && count <= rows - row)) {
          throw new Error(`a page claims ${count} rows where ${rows - row} are left`);
        }
        pages.push({ offset, end: next, firstRow: row });
        row += count;
      }
      offset = next;
    }
    if (row < rows) throw new Error(`a column holds ${row} of ${rows} rows`);
    return { dictionary, pages };
  }

  async #headerAt(offset: number, end: number) {
    // Statistics in a header can hold a whole value.
    for (let length = 4096; ; length *= 8) {
      const until = Math.min(end, offset + length);
      const view = viewOf(await this.#file.slice(offset, until));
      try {
        const headerBytes = checkThrift(view, 0);
        return { header: this.#parts.parquetHeader({ view, offset: 0 }), headerBytes };
      } catch (error) {
        if (until === end || length > 2 ** 20) throw error;
      }
    }
  }

  async #offsetIndex(chunk: ColumnChunk): Promise<PagePlace[] | null> {
    const offset = Number(chunk.offset_index_offset ?? 0);
    const length = chunk.offset_index_length ?? 0;
    if (!(offset > 0 && length > 0 && offset + length <= this.#file.byteLength)) return null;
    const view = viewOf(await this.#file.slice(offset, offset + length));
    checkThrift(view, 0);
    const { start, end } = rangeOf(chunk);
    const pages = this.#parts.readOffsetIndex({ view, offset: 0 }).page_locations.map((page) => ({
      offset: Number(page.offset),
      end: Number(page.offset) + page.compressed_page_size,
      firstRow: Number(page.first_row_index),
    }));
    const fits = pages.every(
      (page, i) => page.offset >= start && page.end <= end && page.firstRow >= (pages[i - 1]?.firstRow ?? 0),
    );
    return fits && pages[0]?.firstRow === 0 ? pages : null;
  }

  #chunksOf(column: string, group: number): ColumnChunk[] {
    const { columns } = this.#metadata.row_groups[group]!;
    return columns.filter(({ meta_data: meta }) => meta?.path_in_schema[0] === column);
  }

  #leafChunk(column: string, group: number, field: string | null = null): ColumnChunk {
    const chunks = this.#chunksOf(column, group);
    const chunk =
      field === null ? chunks[0] : chunks.find(({ meta_data: meta }) => meta!.path_in_schema[1] === field);
    if (chunk && (field !== null || chunks.length === 1)) return chunk;
    throw new ModelError(
      'bad-file',
      chunk
        ? `${this.#file.name}: the column "${column}" has several fields, expected are single values.`
        : `${this.#file.name} has no column "${column}${field === null ? '' : `.${field}`}"; it has ` +
            `${this.columns.join(', ')}.`,
      'The table and meta/info.json may be of different versions. Copy the dataset again.',
    );
  }

  #leaf(chunk: ColumnChunk): Leaf {
    const schema = this.#parts.parquetSchema(this.#metadata);
    const path = this.#parts.getTreePath(schema, chunk.meta_data!.path_in_schema);
    const maxRepetition = this.#parts.getMaxRepetitionLevel(path);
    if (maxRepetition > 1) {
      throw new Error(`the column "${chunk.meta_data!.path_in_schema[0]}" holds lists of lists`);
    }
    const repeated = path.findIndex(({ element }) => element.repetition_type === 'REPEATED');
    const maxDefinition = this.#parts.getMaxDefinitionLevel(path);
    const itemDefinition =
      repeated === -1 ? 0 : this.#parts.getMaxDefinitionLevel(path.slice(0, repeated + 1));
    return { path, maxDefinition, itemDefinition, maxRepetition };
  }

  #decoder(chunk: ColumnChunk, { path }: Leaf): Decoder {
    const { type, codec, path_in_schema: pathInSchema } = chunk.meta_data!;
    return {
      pathInSchema,
      type,
      codec,
      element: path.at(-1)!.element,
      schemaPath: [...path],
      parsers: this.#parts.parsers,
      compressors: this.#parts.compressors,
      // Embedded images are bytes, not text.
      utf8: false,
    };
  }
}

async function asFileError<T>(name: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError(
      'bad-file',
      `${name} cannot be read as Parquet: ${error instanceof Error ? error.message : String(error)}.`,
      'The file is damaged or truncated. Copy it again.',
      { cause: error },
    );
  }
}
