import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBfloat16, toBfloat16 } from '../../src/model/weights/half.ts';
import { unpickle } from '../../src/model/weights/pickle.ts';
import { pickleStateDict } from '../../src/model/weights/pickle-writer.ts';
import { blobReader, memoryReader } from '../../src/io/byte-reader.ts';
import { readAll } from '../../src/io/folder.ts';
import { zipFolder as openZip } from '../../src/io/zip-folder.ts';
import { openSafetensors, openSharded } from '../../src/model/weights/safetensors.ts';
import {
  fromFile,
  safetensorsFile,
  shardedSafetensors,
  type WritableTensor,
} from '../../src/model/weights/safetensors-writer.ts';
import { openTorchArchive } from '../../src/model/weights/torch-archive.ts';
import { torchArchive } from '../../src/model/weights/torch-writer.ts';
import { zipBlob, zipFolder } from '../../src/model/weights/zip-folder.ts';
import { bytesSource, collectBytes, storedZip, type ByteSource } from '../../src/model/weights/zip-writer.ts';
import { openDiskFile } from '../../tools/node/disk-folder.ts';
import { randomFloats } from '../setup/compare.ts';
import { archive } from './make-archive.ts';
import { refusalCode, refusedWith } from './refused.ts';
import { fuzzRuns } from '../setup/fuzz.ts';

const STORED = { storedOnly: true };
const open = (blob: Blob) => openZip('made.zip', blobReader(blob, 'made.zip'));

const size = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1);

/** Of arrays that are too large for a message to show. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Names and shapes of a state dict; values follow from the position. */
const stateDicts = fc
  .uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 12 }), fc.array(fc.nat(9), { maxLength: 4 })), {
    selector: ([name]) => name,
    maxLength: 8,
  })
  .map(
    (list) =>
      new Map(list.map(([name, shape], i) => [name, { shape, data: randomFloats(size(shape), i) }] as const)),
  );

/** Where each entry's data starts, by the local headers. */
function dataStarts(bytes: Uint8Array<ArrayBuffer>): number[] {
  const view = new DataView(bytes.buffer);
  const starts: number[] = [];
  for (let at = 0; at + 30 < bytes.length; at++) {
    if (view.getUint32(at, true) !== 0x04034b50) continue;
    starts.push(at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true));
  }
  return starts;
}

describe('torchArchive', () => {
  it('is read back as it was: any names, shapes and both types', async () => {
    await fc.assert(
      fc.asyncProperty(stateDicts, fc.constantFrom('float32', 'bfloat16'), async (tensors, dtype) => {
        const source = torchArchive(tensors, { name: 'head--5_checkpoint', dtype });
        const bytes = await collectBytes(source);
        const file = await openTorchArchive(memoryReader(bytes));
        expect([...file.entries.keys()]).toEqual([...tensors.keys()]);
        for (const [name, { shape, data }] of tensors) {
          expect(file.entries.get(name)).toMatchObject({
            shape,
            dtype: dtype === 'float32' ? 'F32' : 'BF16',
          });
          const expected = dtype === 'float32' ? data : fromBfloat16(toBfloat16(data));
          expect(await file.readFloat32(name)).toEqual(expected);
        }
        for (const start of dataStarts(bytes)) expect(start % 64).toBe(0);
      }),
      { numRuns: fuzzRuns(60) },
    );
  });

  it('has the records of torch, and the pickle torch writes up to its module versions', async () => {
    const path = 'tests/golden/libero-l1/proprio_projector--50000_checkpoint.pt';
    const golden = await openTorchArchive(await openDiskFile(path));
    const tensors = new Map(
      [...golden.entries.keys()].map((name) => [name, fromFile(golden, name)] as const),
    );
    const root = 'proprio_projector--50000_checkpoint';
    const bytes = await collectBytes(torchArchive(tensors, { name: root }));
    const ours = await openZip('ours', memoryReader(bytes), STORED);
    const theirs = await openZip('theirs', await openDiskFile(path), STORED);
    const names = (await theirs.list())!;
    expect((await ours.list())!.filter((name) => !name.endsWith('byteorder'))).toEqual(names);
    for (const name of names.filter((each) => !each.endsWith('data.pkl'))) {
      expect(await readAll(ours, name)).toEqual(await readAll(theirs, name));
    }
    expect(unpickle(await readAll(ours, `${root}/data.pkl`))).toEqual(
      unpickle(await readAll(theirs, `${root}/data.pkl`)),
    );
  });

  it('describes storages that a count of 31 bits cannot', () => {
    const shape = [70_000, 70_000];
    const pickled = unpickle(
      pickleStateDict([{ name: 'w', shape, storageType: 'FloatStorage', storage: '0' }]),
    );
    expect(pickled).toEqual(
      new Map([
        [
          'w',
          expect.objectContaining({
            shape,
            stride: [70_000, 1],
            storageSize: 4.9e9,
            dtype: 'F32',
            storage: '0',
          }),
        ],
      ]),
    );
  });

  it('refuses values that do not fill their shape', async () => {
    const wrong = new Map([['w', { shape: [2, 3], data: new Float32Array(5) }]]);
    expect(await refusedWith('bad-shape', () => torchArchive(wrong))).toContain('"w"');
    const short: WritableTensor = { shape: [4], data: async () => new Float32Array(3) };
    const source = torchArchive(new Map([['w', short]]));
    expect(await refusedWith('bad-file', () => collectBytes(source))).toContain('data/0');
  });
});

describe('storedZip', () => {
  const entries = ['a', 'long name/ü', 'empty', 'b'].map((name, i) => ({
    name,
    ...bytesSource(new Uint8Array(randomFloats([1, 333, 0, 70_001][i]!, i).buffer)),
  }));

  it('is a zip to another reader, CRC included, in its announced length', async () => {
    const source = storedZip(entries);
    const bytes = await collectBytes(source);
    expect(bytes.byteLength).toBe(source.byteLength);
    const zip = await openZip('made', memoryReader(bytes), STORED);
    expect(await zip.list()).toEqual(entries.map(({ name }) => name).toSorted());
    const view = new DataView(bytes.buffer);
    for (const [i, start] of dataStarts(bytes).entries()) {
      const data = await collectBytes(entries[i]!);
      expect(same(bytes.subarray(start, start + data.length), data)).toBe(true);
      expect(view.getUint32(start + data.length + 4, true)).toBe(crc32(data));
    }
    // A second reading gives the same.
    expect(same(await collectBytes(source), bytes)).toBe(true);
  });

  it('places entries behind 4 GiB by zip64', async () => {
    const far = storedZip(entries, { zip64From: 100 });
    const bytes = await collectBytes(far);
    expect(bytes.byteLength).toBe(far.byteLength);
    const zip = await openZip('made', memoryReader(bytes), STORED);
    for (const entry of entries)
      expect(same(await readAll(zip, entry.name), await collectBytes(entry))).toBe(true);
  });

  it('refuses an entry that is too large before it reads anything', async () => {
    const huge: ByteSource = { byteLength: 2 ** 32, chunks: () => expect.unreachable() };
    expect(await refusalCode(() => storedZip([{ name: 'huge', ...huge }]))).toBe('unsupported');
  });
});

describe('safetensorsFile', () => {
  it('is read back as it was, by pieces of rows too', async () => {
    await fc.assert(
      fc.asyncProperty(stateDicts, fc.boolean(), async (tensors, lazily) => {
        const given = new Map(
          [...tensors].map(([name, { shape, data }]): [string, WritableTensor] => {
            const row = size(shape.slice(1));
            const rows = async (first: number, count: number) =>
              data.slice(first * row, (first + count) * row);
            return [name, { shape, data: lazily ? rows : data }];
          }),
        );
        fc.pre(!given.has('__metadata__'));
        const file = await openSafetensors(memoryReader(await collectBytes(safetensorsFile(given))));
        expect([...file.entries.keys()].toSorted()).toEqual([...tensors.keys()].toSorted());
        for (const [name, { data }] of tensors) expect(await file.readFloat32(name)).toEqual(data);
      }),
      { numRuns: fuzzRuns(60) },
    );
  });

  it('splits a tensor larger than a piece without loss', async () => {
    const shape = [1100, 1000];
    const data = randomFloats(size(shape), 1);
    const tensor = {
      shape,
      data: async (first: number, count: number) => data.slice(first * 1000, (first + count) * 1000),
    };
    for (const given of [tensor, { shape, data }]) {
      const source = safetensorsFile([['w', given]], 'bfloat16');
      const file = await openSafetensors(memoryReader(await collectBytes(source)));
      expect(await file.readFloat32('w')).toBeNear(fromBfloat16(toBfloat16(data)), 0);
    }
  });

  it('is cut into shards with an index, none larger than asked for where a tensor allows', async () => {
    const tensors = new Map(
      Array.from({ length: 7 }, (_, i) => [`t${i}`, { shape: [10, 5], data: randomFloats(50, i) }] as const),
    );
    const shards = shardedSafetensors(tensors, 'float32', 450);
    const bytes = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const { path, source } of shards) bytes.set(path, await collectBytes(source));
    expect([...bytes.keys()]).toEqual([
      ...[1, 2, 3, 4].map((i) => `model-0000${i}-of-00004.safetensors`),
      'model.safetensors.index.json',
    ]);
    const index: unknown = JSON.parse(new TextDecoder().decode(bytes.get('model.safetensors.index.json')));
    expect(index).toMatchObject({ metadata: { total_size: 7 * 200 } });
    const file = await openSharded(index, async (path) => openSafetensors(memoryReader(bytes.get(path)!)));
    for (const [name, { data }] of tensors) expect(await file.readFloat32(name)).toEqual(data);
    expect(shardedSafetensors(tensors).map(({ path }) => path)).toEqual(['model.safetensors']);
  });
});

describe('zipFolder', () => {
  const files = ['run--5_chkpt/a.bin', 'run--5_chkpt/lora_adapter/b.json', 'run--5_chkpt/empty'].map(
    (path, i) => ({
      path,
      ...bytesSource(new Uint8Array(randomFloats([30_000, 5, 0][i]!, i).buffer)),
    }),
  );

  it('gives a zip whose folder is read back by ranges, under its name', async () => {
    const progress: number[] = [];
    const blob = await zipBlob(files, (done, total) => progress.push(done / total));
    expect(progress.at(-1)).toBe(1);
    const folder = await open(blob);
    expect(await folder.list()).toEqual(files.map(({ path }) => path).toSorted());
    for (const file of files) {
      expect(same(await readAll(folder, file.path), await collectBytes(file))).toBe(true);
    }
    const first = await folder.open(files[0]!.path);
    expect(await first.slice(400, 412)).toEqual((await collectBytes(files[0]!)).slice(400, 412));
    expect(await refusalCode(() => first.slice(first.byteLength - 1, first.byteLength + 1))).toBe('bad-file');
    expect(await refusalCode(() => folder.open('nothing'))).toBe('bad-file');
  });

  it('holds a .pt that is read inside the zip', async () => {
    const pt = torchArchive([['w', { shape: [3], data: Float32Array.of(1, 2, 3) }]]);
    const folder = await open(await zipBlob([{ path: 'x/w.pt', ...pt }]));
    const file = await openTorchArchive(await folder.open('x/w.pt'));
    expect([...(await file.readFloat32('w'))]).toEqual([1, 2, 3]);
  });

  it('reads compressed zips of other programs, without a folder around the files', async () => {
    const bytes = await archive({ one: new Uint8Array(5000), two: Uint8Array.of(1, 2) }, { level: 9 });
    expect(bytes.byteLength).toBeLessThan(1000);
    const folder = await open(new Blob([bytes]));
    expect(await readAll(folder, 'archive/one')).toEqual(new Uint8Array(5000));
  });

  it('refuses what is no zip, and damage inside a compressed entry', async () => {
    expect(await refusalCode(() => open(new Blob(['no zip at all'])))).toBe('bad-file');
    const bytes = await archive(
      { one: new Uint8Array(randomFloats(500, 3).map(Math.round).buffer) },
      { level: 9 },
    );
    const name = Buffer.from(bytes).indexOf('archive/one');
    bytes[name + 40]! ^= 0xff;
    const folder = await open(new Blob([bytes]));
    expect(await refusalCode(() => folder.open('archive/one'))).toBe('bad-file');
  });

  it('fails with the error of a file that cannot be read, and can be cancelled', async () => {
    const failing = {
      path: 'x',
      byteLength: 10,
      chunks: async function* (): AsyncGenerator<Uint8Array<ArrayBuffer>> {
        yield new Uint8Array(5);
        throw new TypeError('the disk is gone');
      },
    };
    await expect(zipBlob([files[0]!, failing])).rejects.toThrow('the disk is gone');
    let read = 0;
    const endless = {
      path: 'x',
      byteLength: 1e12,
      chunks: async function* (): AsyncGenerator<Uint8Array<ArrayBuffer>> {
        for (;;) {
          read++;
          yield new Uint8Array(2 ** 20);
        }
      },
    };
    const reader = zipFolder([endless]).getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
    const before = read;
    await new Promise((resolve) => setImmediate(resolve));
    // What zip.js and the pipe hold, whatever the file's size.
    expect(read).toBeLessThan(20);
    expect(read - before).toBeLessThan(5);
  });
});
