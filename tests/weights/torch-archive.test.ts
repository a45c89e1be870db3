import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromBfloat16, toBfloat16 } from '../../src/model/weights/half.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { readAll } from '../../src/io/folder.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { openTorchArchive } from '../../src/model/weights/torch-archive.ts';
import { openDiskFile } from '../../tools/node/disk-folder.ts';
import '../setup/compare.ts';
import { loadModule } from '../setup/safetensors.ts';
import { archive, pickle, tensor, type Picklable } from './make-archive.ts';
import { refusalCode, refusedWith } from './refused.ts';

const GOLDEN = 'tests/golden';
const SUFFIX = '--50000_checkpoint.pt';
const modules = readdirSync(GOLDEN, { withFileTypes: true })
  .filter((folder) => folder.isDirectory())
  .flatMap(({ name }) =>
    readdirSync(`${GOLDEN}/${name}`)
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => ({ folder: `${GOLDEN}/${name}`, module: file.slice(0, -SUFFIX.length) })),
  );

/** Without the prefix that DDP adds. */
const plain = (name: string): string => name.replace(/^module\./, '');

describe('torch.save files of upstream', () => {
  it.each(modules)('$folder $module equals its safetensors twin', async ({ folder, module }) => {
    const file = await openTorchArchive(await openDiskFile(`${folder}/${module}${SUFFIX}`));
    const twin = await loadModule(`${folder}/${module}.safetensors`);
    expect([...file.entries.keys()].map(plain).toSorted()).toEqual(Object.keys(twin).toSorted());
    for (const [name, { shape }] of file.entries) {
      expect(shape).toEqual(twin[plain(name)]!.shape);
      expect(await file.readFloat32(name)).toBeNear(twin[plain(name)]!.data, 0, name);
    }
  });

  it.each(['libero-l1', 'siglip-only-l1', 'libero-diffusion', 'aloha-film-l1'])(
    '%s: reads the bf16 head that upstream saves, as the fp32 one rounded',
    async (name) => {
      const head = `action_head${SUFFIX}`;
      const half = await openTorchArchive(await openDiskFile(`${GOLDEN}/${name}/bf16_sample/${head}`));
      const full = await openTorchArchive(await openDiskFile(`${GOLDEN}/${name}/${head}`));
      expect([...half.entries.keys()]).toEqual([...full.entries.keys()]);
      for (const [key, { dtype }] of half.entries) {
        expect(dtype).toBe('BF16');
        const rounded = fromBfloat16(toBfloat16(await full.readFloat32(key)));
        expect(await half.readFloat32(key)).toBeNear(rounded, 0, key);
      }
    },
  );
});

const data = new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer);
const six = (view: { offset?: number; shape: number[]; stride: number[] }) =>
  tensor('0', 'FloatStorage', 6, view);

async function open(value: Picklable, records: Record<string, Uint8Array> = {}, options = {}) {
  const bytes = await archive({ 'data.pkl': pickle(value), 'data/0': data, ...records }, options);
  return openTorchArchive(memoryReader(bytes));
}

describe('openTorchArchive', () => {
  it('joins the names of nested dicts and leaves out what is no tensor', async () => {
    const file = await open({
      dict: {
        model: { dict: { a: six({ shape: [6], stride: [1] }), note: 'text', steps: 3, list: [1, null] } },
        epoch: 7,
      },
    });
    expect([...file.entries.keys()]).toEqual(['model/a']);
  });

  it('reads views of a storage: offset, transposed, sliced, scalar and empty', async () => {
    const file = await open({
      dict: {
        offset: six({ offset: 2, shape: [2, 2], stride: [2, 1] }),
        transposed: six({ shape: [3, 2], stride: [1, 3] }),
        sliced: six({ offset: 1, shape: [2], stride: [3] }),
        scalar: six({ offset: 5, shape: [], stride: [] }),
        empty: six({ shape: [0, 4], stride: [4, 1] }),
      },
    });
    expect([...(await file.readFloat32('offset'))]).toEqual([2, 3, 4, 5]);
    expect([...(await file.readFloat32('transposed'))]).toEqual([0, 3, 1, 4, 2, 5]);
    expect([...(await file.readFloat32('transposed', 1, 1))]).toEqual([1, 4]);
    expect([...(await file.readRaw('transposed', 6, 4))]).toEqual([
      ...new Uint8Array(Float32Array.of(0, 3, 1).buffer).slice(6, 10),
    ]);
    expect([...(await file.readFloat32('sliced'))]).toEqual([1, 4]);
    expect([...(await file.readFloat32('scalar'))]).toEqual([5]);
    expect(await file.readFloat32('empty')).toHaveLength(0);
    expect(await refusalCode(() => file.readRaw('offset', 0, 20))).toBe('bad-file');
  });

  it('takes parameters and the records that newer torch adds', async () => {
    const parameter: Picklable = {
      call: 'torch._utils._rebuild_parameter',
      args: [six({ shape: [6], stride: [1] }), true, { call: 'collections.OrderedDict', args: [] }],
    };
    const file = await open(
      { dict: { w: parameter } },
      {
        byteorder: new TextEncoder().encode('little'),
        '.data/serialization_id': new Uint8Array(40),
        version: new TextEncoder().encode('3\n'),
      },
    );
    expect([...(await file.readFloat32('w'))]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('refuses big-endian files, compressed records and archives of other programs', async () => {
    const value = { dict: { w: six({ shape: [6], stride: [1] }) } };
    expect(
      await refusedWith('unsupported', () => open(value, { byteorder: new TextEncoder().encode('big') })),
    ).toContain('big-endian');
    const filler = { filler: new Uint8Array(1000) };
    expect(await refusedWith('unsupported', () => open(value, filler, { level: 6 }))).toContain('compressed');
    const other = await archive({ 'readme.txt': new Uint8Array(3) });
    expect(await refusedWith('bad-file', () => openTorchArchive(memoryReader(other)))).toContain('data.pkl');
    expect(await refusalCode(() => openTorchArchive(memoryReader(new Uint8Array(100))))).toBe('bad-file');
  });

  it('refuses a record that is not where the directory says', async () => {
    const bytes = await archive({
      'data.pkl': pickle({ dict: { w: six({ shape: [6], stride: [1] }) } }),
      'data/0': data,
    });
    // The signature of the second local header, PK\x03\x04.
    const second = Buffer.from(bytes).indexOf('PK\x03\x04', 4);
    bytes[second]! ^= 1;
    const file = await openTorchArchive(memoryReader(bytes));
    expect(await refusedWith('bad-file', () => file.readRaw('w'))).toContain('data/0');
  });

  it('refuses tensors that their storage or its record cannot hold', async () => {
    for (const view of [
      { shape: [7], stride: [1] },
      { offset: 1, shape: [6], stride: [1] },
      { shape: [2, 2], stride: [5, 1] },
      { shape: [1000, 1000], stride: [0, 0] },
    ])
      expect(await refusalCode(() => open({ dict: { w: six(view) } }))).toBe('bad-pickle');
    const larger = tensor('0', 'FloatStorage', 7, { shape: [7], stride: [1] });
    expect(await refusedWith('bad-file', () => open({ dict: { w: larger } }))).toContain('data/0');
    const elsewhere = tensor('9', 'FloatStorage', 6, { shape: [6], stride: [1] });
    expect(await refusalCode(() => open({ dict: { w: elsewhere } }))).toBe('bad-file');
  });
});

describe('a zip of stored entries', () => {
  it('reads ranges of a record, never into the next one', async () => {
    const bytes = await archive({ first: Uint8Array.of(1, 2, 3), second: Uint8Array.of(4, 5) });
    const zip = await zipFolder('archive', memoryReader(bytes), { storedOnly: true });
    expect(await zip.list()).toEqual(['archive/first', 'archive/second']);
    const first = await zip.open('archive/first');
    expect([first.byteLength, await zip.has('archive/third')]).toEqual([3, false]);
    expect(await readAll(zip, 'archive/second')).toEqual(Uint8Array.of(4, 5));
    expect(await first.slice(1, 3)).toEqual(Uint8Array.of(2, 3));
    expect(await refusalCode(() => first.slice(1, 4))).toBe('bad-file');
    expect(await refusalCode(() => first.slice(-1, 1))).toBe('bad-file');
    expect(await refusalCode(() => first.slice(NaN, 1))).toBe('bad-file');
    expect(await refusedWith('bad-file', () => zip.open('archive/third'))).toContain('archive/third');
  });
});
