import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/model/errors.ts';
import { safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import { checkAdapterFile } from '../../src/share/adapter-file.ts';
import { refusedWith } from '../weights/refused.ts';
import { sampleAdapter } from './samples.ts';

/** Checks bytes; says how many of them were read. */
async function check(bytes: Uint8Array): Promise<number> {
  let asked = 0;
  await checkAdapterFile({
    size: bytes.length,
    read: (offset, length) => {
      asked += length;
      expect(offset + length).toBeLessThanOrEqual(bytes.length);
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
  });
  return asked;
}

/** A safetensors file with that header and so many bytes of data. */
function fileWith(header: unknown, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const tensor = (dtype: string, shape: unknown, start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});
const F32 = tensor('F32', [2], 0, 8);

describe('an adapter file', () => {
  it('of our own writing is fine, and only its header is read', async () => {
    const { bytes } = sampleAdapter(1, 5000);
    expect(await check(bytes)).toBeLessThan(1000);
  });

  it.each([
    ['tensors in any order', { b: tensor('F16', [3], 8, 14), a: F32 }, 14],
    ['empty tensors and scalars', { a: tensor('F32', [], 0, 4), b: tensor('BF16', [0, 7], 4, 4) }, 4],
    ['metadata', { __metadata__: { format: 'pt' }, a: F32 }, 8],
  ])('with %s is fine', async (_, header, dataBytes) => {
    await expect(check(fileWith(header, dataBytes))).resolves.toBeGreaterThan(0);
  });

  it.each([
    ['a hole', { a: F32, b: tensor('F32', [1], 12, 16) }, 16],
    ['an overlap', { a: F32, b: tensor('F32', [2], 4, 12) }, 12],
    ['one tensor twice', { a: F32, b: F32 }, 8],
    ['bytes behind the last tensor', { a: F32 }, 9],
    ['bytes missing', { a: F32 }, 7],
    ['bytes before the first tensor', { a: tensor('F32', [1], 4, 8) }, 8],
    ['another length than the shape', { a: tensor('F32', [3], 0, 8) }, 8],
    ['its end before its start', { a: tensor('F32', [2], 8, 0) }, 8],
    ['integers', { a: tensor('I64', [1], 0, 8) }, 8],
    ['doubles', { a: tensor('F64', [1], 0, 8) }, 8],
    ['a negative size', { a: tensor('F32', [-2], 0, 8) }, 8],
    ['half a size', { a: tensor('F32', [0.5], 0, 2) }, 2],
    ['sizes whose product is not exact', { a: tensor('F32', [2 ** 30, 2 ** 30], 0, 8) }, 8],
    ['nine dimensions', { a: tensor('F32', [2, 1, 1, 1, 1, 1, 1, 1, 1], 0, 8) }, 8],
    ['fields nobody knows', { a: { ...F32, code: 'x' } }, 8],
    ['a name with a path', { '../a': F32 }, 8],
    ['a name with a space', { 'a b': F32 }, 8],
    ['a name without end', { ['a'.repeat(257)]: F32 }, 8],
    ['no name', { '': F32 }, 8],
    ['a name every object has', '{"constructor":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8],
    ['a prototype', '{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8],
    ['metadata that is no text', { __metadata__: { a: { b: 1 } }, a: F32 }, 8],
    [
      'metadata with a prototype',
      '{"__metadata__":{"__proto__":{}},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
      8,
    ],
    ['a list for metadata', { __metadata__: ['a'], a: F32 }, 8],
    ['no tensor', { __metadata__: {} }, 0],
    ['a list for a header', [F32], 8],
    ['no JSON', '{"a":', 8],
    ['a header nested without end', '['.repeat(100_000), 8],
  ])('with %s is refused', async (_, header, dataBytes) => {
    expect(await refusedWith('bad-file', () => check(fileWith(header, dataBytes)))).toContain('safetensors');
  });

  it('with a header larger than allowed, or than the file, is refused unread', async () => {
    const large = new Uint8Array(5 * 2 ** 20);
    new DataView(large.buffer).setBigUint64(0, BigInt(large.length - 8), true);
    await refusedWith('bad-file', () => check(large));
    const lying = new Uint8Array(100);
    new DataView(lying.buffer).setBigUint64(0, 2n ** 63n, true);
    expect(await refusedWith('bad-file', () => check(lying))).toContain('claims');
  });

  it('with more tensors than any adapter has is refused', async () => {
    const tensors = Array.from({ length: 20_001 }, (_, at) => ({
      name: `t${at}`,
      dtype: 'F32' as const,
      shape: [0],
    }));
    expect(await refusedWith('bad-file', () => check(safetensorsHeader(tensors)))).toContain('20000');
    expect(await check(safetensorsHeader(tensors.slice(1)))).toBeGreaterThan(0);
  });

  it('cut anywhere, or with anything behind it, is refused', async () => {
    const { bytes } = sampleAdapter(2, 4);
    expect(await check(bytes)).toBeGreaterThan(0);
    for (let length = 0; length < bytes.length; length += 7)
      await refusedWith('bad-file', () => check(bytes.slice(0, length)));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 50 }), async (more) => {
        await refusedWith('bad-file', () => check(new Uint8Array([...bytes, ...more])));
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('damaged in its header is refused or still describes every byte', async () => {
    const { bytes } = sampleAdapter(3, 4);
    const headerBytes = bytes.length - 4 * 96;
    const flip = fc.record({
      at: fc.integer({ min: 0, max: headerBytes - 1 }),
      value: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
        const damaged = bytes.slice();
        for (const { at, value } of flips) damaged[at] = value;
        const outcome = await check(damaged).catch((error: unknown) => error);
        expect(typeof outcome === 'number' || outcome instanceof ModelError, String(outcome)).toBe(true);
      }),
      { numRuns: 300, seed: 2 },
    );
  });
});
