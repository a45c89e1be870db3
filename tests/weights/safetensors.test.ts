import { describe, expect, it } from 'vitest';
import { toBfloat16 } from '../../src/model/weights/half.ts';
import { blobReader, memoryReader } from '../../src/io/byte-reader.ts';
import { openSafetensors, openSharded, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import { overlay, renamed } from '../../src/model/weights/tensor-file.ts';
import { openDiskFile } from '../../tools/node/disk-folder.ts';
import '../setup/compare.ts';
import { loadSafetensors } from '../setup/safetensors.ts';
import { DAMAGED, F32, fileWith } from './damaged-headers.ts';
import { concat } from './make-archive.ts';
import { refusalCode, refusedWith } from './refused.ts';

describe('openSafetensors', () => {
  it('reads every tensor of a golden file, whole and by rows', async () => {
    const path = 'tests/golden/libero-l1/model.safetensors';
    const file = await openSafetensors(await openDiskFile(path));
    const golden = await loadSafetensors(path);
    expect(file.entries.size).toBeGreaterThan(100);
    for (const [name, { shape }] of file.entries) {
      const expected = golden(name);
      expect(shape).toEqual(expected.shape);
      expect(await file.readFloat32(name)).toBeNear(expected.f32, 0, name);
    }
    const name = 'language_model.lm_head.weight';
    const [rows, columns] = golden(name).shape as [number, number];
    expect(await file.readFloat32(name, rows - 2, 2)).toBeNear(golden(name).f32.slice(-2 * columns), 0);
    expect(await refusalCode(() => file.readFloat32(name, rows - 1, 2))).toBe('bad-file');
    expect(await refusalCode(() => file.readRaw(name, -4, 4))).toBe('bad-file');
  });

  it('reads what its writer writes, of every type', async () => {
    const tensors = [
      { name: 'f32', dtype: 'F32' as const, shape: [2], data: Float32Array.of(1.5, -2) },
      { name: 'bf16', dtype: 'BF16' as const, shape: [3, 1], data: toBfloat16(Float32Array.of(1, 2, 3)) },
      { name: 'f16', dtype: 'F16' as const, shape: [1], data: Uint16Array.of(0x3c00) },
      { name: 'f64', dtype: 'F64' as const, shape: [1], data: Float64Array.of(0.1) },
      { name: 'i64', dtype: 'I64' as const, shape: [2], data: BigInt64Array.of(-5n, 2n ** 53n) },
      { name: 'i32', dtype: 'I32' as const, shape: [1], data: Int32Array.of(-7) },
      { name: 'scalar', dtype: 'F32' as const, shape: [], data: Float32Array.of(9) },
      { name: 'none', dtype: 'F32' as const, shape: [0, 3], data: new Float32Array() },
      { name: 'bool', dtype: 'BOOL' as const, shape: [2], data: Uint8Array.of(1, 0) },
    ];
    const bytes = concat(
      safetensorsHeader(tensors),
      ...tensors.map(({ data }) => new Uint8Array(data.buffer)),
    );
    for (const access of [memoryReader(bytes), blobReader(new Blob([bytes]))]) {
      const file = await openSafetensors(access);
      expect([...(await file.readFloat32('f32'))]).toEqual([1.5, -2]);
      expect([...(await file.readFloat32('bf16', 1, 2))]).toEqual([2, 3]);
      expect([...(await file.readFloat32('f16'))]).toEqual([1]);
      expect([...(await file.readFloat32('f64'))]).toEqual([Math.fround(0.1)]);
      expect([...(await file.readNumbers('f64'))]).toEqual([0.1]);
      expect([...(await file.readNumbers('i32'))]).toEqual([-7]);
      expect([...(await file.readNumbers('bool'))]).toEqual([1, 0]);
      expect([...(await file.readFloat32('scalar'))]).toEqual([9]);
      expect(await file.readFloat32('none')).toHaveLength(0);
      // 2^53 is the first integer that a double does not tell from its neighbour.
      expect(await refusedWith('bad-file', () => file.readNumbers('i64'))).toContain('53 bits');
      expect(await refusalCode(() => file.readFloat32('i32'))).toBe('bad-file');
      expect(await refusedWith('missing-tensor', () => file.readRaw('nowhere'))).toContain('nowhere');
    }
  });

  it.each(DAMAGED)('refuses %s', async (_, bytes, message) => {
    expect(await refusedWith('bad-file', () => openSafetensors(memoryReader(bytes)))).toContain(message);
  });

  it('gives the metadata, and tensors of any name', async () => {
    const header = `{"__metadata__":{"format":"pt"},"__proto__":${JSON.stringify(F32)}}`;
    const file = await openSafetensors(memoryReader(fileWith(header, 8)));
    expect([...file.metadata]).toEqual([['format', 'pt']]);
    expect([...file.entries.keys()]).toEqual(['__proto__']);
  });
});

const shard = (name: string, value: number) =>
  memoryReader(
    concat(
      safetensorsHeader([{ name, dtype: 'F32', shape: [1] }]),
      new Uint8Array(Float32Array.of(value).buffer),
    ),
  );

/** A file with tensors a and b, each of one byte. */
const twoTensors = (value: number) => [
  safetensorsHeader(['a', 'b'].map((name) => ({ name, dtype: 'U8' as const, shape: [1] }))),
  [value, value],
];

const open = async (path: string) =>
  openSafetensors(shard(path === 'one.safetensors' ? 'a' : 'b', path.length));

describe('openSharded', () => {
  it('reads each tensor from the file the index names', async () => {
    const index = { weight_map: { a: 'one.safetensors', b: 'three.safetensors' } };
    const file = await openSharded(index, open);
    expect([...(await file.readFloat32('a')), ...(await file.readFloat32('b'))]).toEqual([15, 17]);
  });

  it('takes from a shard only what the index places there', async () => {
    const index = { weight_map: { a: 'one.safetensors', b: 'two.safetensors' } };
    const file = await openSharded(index, async (path) =>
      openSafetensors(memoryReader(concat(...twoTensors(path === 'one.safetensors' ? 1 : 2)))),
    );
    expect([...file.entries.keys()].toSorted()).toEqual(['a', 'b']);
    expect([...(await file.readRaw('a')), ...(await file.readRaw('b'))]).toEqual([1, 2]);
    const one = await openSharded({ weight_map: { a: 'one.safetensors' } }, async () =>
      openSafetensors(memoryReader(concat(...twoTensors(3)))),
    );
    expect([...one.entries.keys()]).toEqual(['a']);
  });

  it('refuses an index that names what the file lacks, or a path outside the folder', async () => {
    const message = await refusedWith('missing-tensor', () =>
      openSharded({ weight_map: { c: 'one.safetensors' } }, open),
    );
    expect(message).toContain('one.safetensors');
    for (const index of [null, {}, { weight_map: { a: '../secret' } }, { weight_map: { a: '/etc/passwd' } }])
      expect(await refusalCode(() => openSharded(index, open))).toBe('bad-file');
  });
});

it('overlay hides earlier tensors, renamed drops and refuses clashes', async () => {
  const one = await openSafetensors(
    memoryReader(concat(safetensorsHeader([{ name: 'a', dtype: 'U8', shape: [1] }]), [1])),
  );
  const two = await openSafetensors(
    memoryReader(
      concat(
        safetensorsHeader([
          { name: 'a', dtype: 'U8', shape: [1] },
          { name: 'b', dtype: 'U8', shape: [1] },
        ]),
        [2, 3],
      ),
    ),
  );
  expect([...(await overlay(one, two).readRaw('a'))]).toEqual([2]);
  const kept = renamed(two, (name) => (name === 'a' ? null : `x.${name}`));
  expect([...kept.entries.keys()]).toEqual(['x.b']);
  expect([...(await kept.readRaw('x.b'))]).toEqual([3]);
  expect(await refusalCode(() => renamed(two, () => 'same'))).toBe('bad-file');
});
