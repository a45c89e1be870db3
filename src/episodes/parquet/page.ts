/** Pages of a Parquet column: headers and sizes are checked here, values are decoded by hyparquet. */
import type { DecodedArray, PageHeader, SchemaTree } from 'hyparquet';
import { checkDelta, checkRuns, checkThrift } from './untrusted.ts';

/** The parts of hyparquet that decode one page, and all compressions. Loaded when a Parquet file is opened. */
export async function loadHyparquet() {
  const [{ compressors }, { parquetHeader }, { convert, convertWithDictionary, DEFAULT_PARSERS }] =
    await Promise.all([
      import('hyparquet-compressors'),
      import('hyparquet/src/column.js'),
      import('hyparquet/src/convert.js'),
    ]);
  const { decompressPage, readDataPage, readDataPageV2 } = await import('hyparquet/src/datapage.js');
  const { readPlain } = await import('hyparquet/src/plain.js');
  const { parquetMetadata, parquetSchema, readOffsetIndex } = await import('hyparquet');
  const { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath } =
    await import('hyparquet/src/schema.js');
  return {
    compressors,
    convert,
    convertWithDictionary,
    decompressPage,
    getMaxDefinitionLevel,
    getMaxRepetitionLevel,
    getTreePath,
    parquetHeader,
    parquetMetadata,
    parquetSchema,
    parsers: DEFAULT_PARSERS,
    readDataPage,
    readDataPageV2,
    readOffsetIndex,
    readPlain,
  };
}

export type Hyparquet = Awaited<ReturnType<typeof loadHyparquet>>;
export type Decoder = Parameters<Hyparquet['convertWithDictionary']>[3];

/** A column of values: a top-level column, the items of a list, or one field of a struct. */
export interface Leaf {
  readonly path: readonly SchemaTree[];
  /** Levels (Dremel) of a value that is there, and of an item of a list. */
  readonly maxDefinition: number;
  readonly itemDefinition: number;
  readonly maxRepetition: number;
}

/** Values of a page as they are stored: nulls are left out, and told by their level. */
export interface LeafPage {
  readonly count: number;
  readonly values: DecodedArray;
  /** Empty where every value is there. */
  readonly definition: readonly number[];
  /** Empty where nothing repeats. */
  readonly repetition: readonly number[];
}

export interface PageBytes {
  readonly header: PageHeader;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The offset after it. */
  readonly next: number;
}

/** Pages have about 1 MB; one that holds a single large image may have more. */
const MOST_PAGE_BYTES = 2 ** 27;
/** Zeros compress by a thousand and more, but not beyond a page's usual size. */
const USUAL_PAGE_BYTES = 2 ** 24;
const MOST_RATIO = 64;
const KNOWN_SIZES: Readonly<Record<string, number>> = {
  INT32: 4,
  FLOAT: 4,
  INT64: 8,
  DOUBLE: 8,
  INT96: 12,
  // The length of each.
  BYTE_ARRAY: 4,
};

/** @throws Error for sizes that cannot be; RangeError where the header is cut off */
export function readPage(
  parts: Hyparquet,
  bytes: Uint8Array<ArrayBuffer>,
  offset: number,
  most: number,
): PageBytes {
  const view = viewOf(bytes);
  const start = checkThrift(view, offset);
  const header = parts.parquetHeader({ view, offset });
  const { compressed_page_size: size, uncompressed_page_size: full } = header;
  if (!(Number.isSafeInteger(size) && size >= 0 && size <= bytes.byteLength - start)) {
    throw new Error(`a page claims ${size} bytes where ${bytes.byteLength - start} are left`);
  }
  const mostFull = Math.min(MOST_PAGE_BYTES, Math.max(USUAL_PAGE_BYTES, MOST_RATIO * size));
  if (!(Number.isSafeInteger(full) && full >= 0 && full <= mostFull)) {
    throw new Error(`a page of ${size} bytes claims to unpack to ${full}`);
  }
  const count = countOf(header);
  if (!(Number.isSafeInteger(count) && count >= 0 && count <= most)) {
    throw new Error(`a page claims ${count} values where there can be ${most}`);
  }
  return { header, body: bytes.slice(start, start + size), next: start + size };
}

export function countOf(header: PageHeader): number {
  const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
  return v1?.num_values ?? v2?.num_values ?? dictionary?.num_values ?? 0;
}

export function decodeDictionary(
  parts: Hyparquet,
  { header, body }: PageBytes,
  decoder: Decoder,
): DecodedArray {
  const { type, codec, element } = decoder;
  const page = parts.decompressPage(body, header.uncompressed_page_size, codec, parts.compressors);
  const count = header.dictionary_page_header!.num_values;
  const least = (KNOWN_SIZES[type] ?? element.type_length ?? 1) * count;
  if (least > page.byteLength) {
    throw new Error(`a dictionary of ${page.byteLength} bytes claims ${count} values`);
  }
  const values = parts.readPlain({ view: viewOf(page), offset: 0 }, type, count, element.type_length);
  return parts.convert(values, decoder);
}

/** @returns null for a page without values, such as an index */
export function decodePage(
  parts: Hyparquet,
  { header, body }: PageBytes,
  leaf: Leaf,
  decoder: Decoder,
  dictionary: DecodedArray | undefined,
): LeafPage | null {
  const { data_page_header: v1, data_page_header_v2: v2 } = header;
  if (v1) {
    const page = parts.decompressPage(body, header.uncompressed_page_size, decoder.codec, parts.compressors);
    const view = viewOf(page);
    let at = checkLevels(view, 0, leaf.maxRepetition, v1.num_values);
    at = checkLevels(view, at, leaf.maxDefinition, v1.num_values);
    checkValues(view, at, v1.encoding, decoder, v1.num_values);
    const { definitionLevels, repetitionLevels, dataPage } = parts.readDataPage(page, v1, decoder);
    return {
      count: v1.num_values,
      values: parts.convertWithDictionary(dataPage, dictionary, v1.encoding, decoder),
      definition: definitionLevels ?? [],
      repetition: repetitionLevels,
    };
  }
  if (v2) return decodePageV2(parts, { header, body }, leaf, decoder, dictionary);
  return null;
}

function decodePageV2(
  parts: Hyparquet,
  { header, body }: Pick<PageBytes, 'header' | 'body'>,
  leaf: Leaf,
  decoder: Decoder,
  dictionary: DecodedArray | undefined,
): LeafPage {
  const v2 = header.data_page_header_v2!;
  const { repetition_levels_byte_length: repetition, definition_levels_byte_length: definition } = v2;
  const levels = repetition + definition;
  if (
    !(
      repetition >= 0 &&
      definition >= 0 &&
      levels <= Math.min(body.byteLength, header.uncompressed_page_size)
    )
  ) {
    throw new Error(`a page of ${body.byteLength} bytes claims levels of ${levels}`);
  }
  if (!(v2.num_nulls >= 0 && v2.num_nulls <= v2.num_values)) {
    throw new Error(`a page of ${v2.num_values} values claims ${v2.num_nulls} nulls`);
  }
  if (leaf.maxRepetition > 0) {
    checkLevelRuns(viewOf(body.subarray(0, repetition)), leaf.maxRepetition, v2.num_values);
  }
  if (leaf.maxDefinition > 0) {
    checkLevelRuns(viewOf(body.subarray(repetition, levels)), leaf.maxDefinition, v2.num_values);
  }
  const packed = body.subarray(levels);
  const values =
    v2.is_compressed === false
      ? packed
      : parts.decompressPage(
          packed,
          header.uncompressed_page_size - levels,
          decoder.codec,
          parts.compressors,
        );
  checkValues(viewOf(values), 0, v2.encoding, decoder, v2.num_values);
  const page = new Uint8Array(levels + values.byteLength);
  page.set(body.subarray(0, levels));
  page.set(values, levels);
  const unpacked = { ...header, data_page_header_v2: { ...v2, is_compressed: false } };
  const { definitionLevels, repetitionLevels, dataPage } = parts.readDataPageV2(page, unpacked, decoder);
  return {
    count: v2.num_values,
    values: parts.convertWithDictionary(dataPage, dictionary, v2.encoding, decoder),
    definition: definitionLevels ?? [],
    repetition: repetitionLevels,
  };
}

const bitsOf = (level: number) => 32 - Math.clz32(level);

/** hyparquet reads on beyond their end, where there are fewer levels than values. */
function checkLevelRuns(view: DataView, max: number, count: number): void {
  const found = checkRuns(view, 0, bitsOf(max), count);
  if (found < count) throw new Error(`a page of ${count} values has ${found} levels`);
}

/** Levels of a page of the first kind: their length in bytes, then runs. */
function checkLevels(view: DataView, at: number, max: number, count: number): number {
  if (max === 0) return at;
  const length = view.getUint32(at, true);
  const start = at + 4;
  if (length > view.byteLength - start) throw new Error(`a page claims levels of ${length} bytes`);
  checkLevelRuns(new DataView(view.buffer, view.byteOffset + start, length), max, count);
  return start + length;
}

function checkValues(view: DataView, at: number, encoding: string, decoder: Decoder, count: number): void {
  if (at >= view.byteLength) return;
  if (encoding.endsWith('DICTIONARY')) {
    const bits = view.getUint8(at);
    if (bits > 0) checkRuns(view, at + 1, bits, count);
  } else if (encoding === 'RLE' && decoder.type === 'BOOLEAN') {
    checkRuns(view, at + 4, 1, count);
  } else if (encoding.startsWith('DELTA')) {
    checkDelta(view, at);
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
