import { beforeAll, describe, expect, it } from 'vitest';
import type { ByteReader } from '../../src/io/byte-reader.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import type { PageHeader } from 'hyparquet';
import { decodePage, loadHyparquet, type Decoder } from '../../src/episodes/parquet/page.ts';
import { ParquetFile } from '../../src/episodes/parquet/parquet-file.ts';
import { checkRuns, checkThrift } from '../../src/episodes/parquet/untrusted.ts';
import { fixtureFiles } from './fixture-source.ts';

const PATH = 'data/chunk-000/episode_000000.parquet';
const CAMERA = 'observation.images.front';

let bytes: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  bytes = (await fixtureFiles('images')).get(PATH)!;
});

const viewOf = (...values: number[]) => new DataView(Uint8Array.from(values).buffer);

function counting(reader: ByteReader): { reader: ByteReader; read: () => number } {
  let sum = 0;
  const slice = async (start: number, end: number) => {
    sum += end - start;
    return reader.slice(start, end);
  };
  return { reader: { ...reader, slice }, read: () => sum };
}

describe('sizes that a header claims', () => {
  it.each([
    ['a list of 2^31 elements', [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07], /2147483647 elements/],
    ['a text of 2^28 bytes', [0x18, 0x80, 0x80, 0x80, 0x80, 0x01, 0], /elements/],
    ['a number without end', [0x15, ...Array<number>(12).fill(0xff)], /64 bits/],
    ['structs without end', Array<number>(64).fill(0x1c), /nested too deeply/],
  ])('are refused: %s', (_, header, message) => {
    expect(() => checkThrift(viewOf(...header), 0)).toThrow(message);
  });

  it.each([
    ['a run of 2^30 values', [0x80, 0x80, 0x80, 0x80, 0x08, 1]],
    ['bit-packed values without end', [0x81, 0x80, 0x80, 0x80, 0x08]],
    ['a run of none', [0, 0, 0, 0]],
  ])('are refused in a page: %s', (_, page) => {
    expect(() => checkRuns(viewOf(...page), 0, 1, 100)).toThrow('more values than it says');
  });

  it('are taken where they fit', () => {
    // 90 values of one run, 10 of two bit-packed groups.
    expect(() => checkRuns(viewOf(0xb4, 1, 1, 5, 0xff, 0xff), 0, 1, 100)).not.toThrow();
  });

  it('are refused where levels end before the values do, and other bytes would be taken for them', async () => {
    const parts = await loadHyparquet();
    const leaf = { path: [], maxDefinition: 1, itemDefinition: 0, maxRepetition: 0 };
    const decoder = { type: 'INT32', codec: 'UNCOMPRESSED', element: { name: 'x' } } as unknown as Decoder;
    // No bytes of levels; the values behind them begin like a run of 2^30 levels.
    const body = Uint8Array.from([0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x08, 1, 0, 0, 0, 0, 0, 0]);
    const v1 = { num_values: 3, encoding: 'PLAIN' } as NonNullable<PageHeader['data_page_header']>;
    const header = {
      type: 'DATA_PAGE',
      uncompressed_page_size: body.length,
      compressed_page_size: body.length,
      data_page_header: v1,
    } as PageHeader;
    expect(() => decodePage(parts, { header, body, next: 0 }, leaf, decoder, undefined)).toThrow(
      'a page of 3 values has 0 levels',
    );
  });

  it('never make a whole file’s numbers', async () => {
    const file = bytes.slice();
    // The footer's number of rows, 14 as a zigzag varint, becomes as many as five bytes say.
    const footer = file.byteLength - 8 - new DataView(file.buffer).getUint32(file.byteLength - 8, true);
    const at = file.indexOf(28, footer);
    file.set([0xff, 0xff, 0xff, 0xff, 0x0f], at);
    await expect(ParquetFile.open(memoryReader(file, 'x.parquet'))).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('x.parquet'),
    });
  });
});

describe('an embedded image', () => {
  it('is read alone, and its page once', async () => {
    const { parquetWriteBuffer } = await import('hyparquet-writer');
    // What does not compress, as images do not.
    let random = 1;
    const images = Array.from({ length: 40 }, () =>
      new Uint8Array(150_000).map(() => {
        random = Math.imul(random, 1_664_525) + 1_013_904_223;
        return random >>> 24;
      }),
    );
    const written = new Uint8Array(
      parquetWriteBuffer({
        columnData: [{ name: 'image', data: images, type: 'BYTE_ARRAY' }],
        rowGroupSize: 40,
        pageSize: 1_000_000,
      }),
    );
    const counted = counting(memoryReader(written, PATH));
    const file = await ParquetFile.open(counted.reader);
    const opened = counted.read();
    const same = async (row: number) =>
      Buffer.compare((await file.cell('image', null, row)) as Uint8Array, images[row]!) === 0;
    expect(await same(23)).toBe(true);
    // Its page of 1 MB, and a block for the header of each page before.
    expect(counted.read() - opened).toBeLessThan(0.5 * written.byteLength);
    for (let row = 0; row < 40; row++) expect(await same(row)).toBe(true);
    expect(counted.read()).toBeLessThan(1.2 * written.byteLength);
  });

  it('costs about its own bytes, once, as lerobot writes it', async () => {
    const { reader, read } = counting(memoryReader(bytes, PATH));
    const file = await ParquetFile.open(reader);
    const images = [];
    for (const row of [...Array(14).keys(), 3, 0, 13]) images.push(await file.cell(CAMERA, 'bytes', row));
    expect(images.every((image) => image instanceof Uint8Array && image[1] === 0x50)).toBe(true);
    expect(images[14]).toEqual(images[3]);
    // The file is smaller than a block that is read at once.
    expect(read()).toBeLessThanOrEqual(bytes.byteLength);
    const { values } = await file.cells('frame_index', 0);
    expect([...values]).toEqual([...Array(14).keys()]);
  });

  it('is refused beyond the last row', async () => {
    const file = await ParquetFile.open(memoryReader(bytes, PATH));
    await expect(file.cell(CAMERA, 'bytes', 14)).rejects.toMatchObject({ code: 'bad-file' });
    await expect(file.cell(CAMERA, 'pixels', 0)).rejects.toThrow('no column');
  });
});
