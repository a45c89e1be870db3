import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { openSafetensors, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import { checkAdapterFile } from '../../src/share/adapter-file.ts';
import { DAMAGED, F32, fileWith, tensor } from '../weights/damaged-headers.ts';
import { refusedWith } from '../weights/refused.ts';
import { sampleAdapter } from './samples.ts';
import { fuzzRuns } from '../setup/fuzz.ts';

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

  // An adapter's header ends long before so many tensors.
  it.each(DAMAGED.filter(([what]) => what !== 'more tensors than any policy has'))(
    'with %s is refused',
    async (_, bytes, message) => {
      expect(await refusedWith('bad-file', () => check(bytes))).toContain(message);
    },
  );

  it.each([
    ['integers', { a: tensor('I64', [1], 0, 8) }, 8, 'I64'],
    ['doubles', { a: tensor('F64', [1], 0, 8) }, 8, 'F64'],
    ['a name with a path', { '../a': F32 }, 8, '"../a"'],
    ['a name with a space', { 'a b': F32 }, 8, '"a b"'],
    ['a name without end', { ['a'.repeat(257)]: F32 }, 8, 'name'],
    ['no name', { '': F32 }, 8, '""'],
    ['a name every object has', `{"constructor":${JSON.stringify(F32)}}`, 8, '"constructor"'],
    ['a prototype', `{"__proto__":${JSON.stringify(F32)}}`, 8, '"__proto__"'],
    ['no tensor', { __metadata__: {} }, 0, 'no tensor'],
  ])('with %s is refused, though a policy may have it', async (_, header, dataBytes, message) => {
    const bytes = fileWith(header, dataBytes);
    expect(await refusedWith('bad-file', () => check(bytes))).toContain(message);
    await expect(openSafetensors(memoryReader(bytes))).resolves.toBeDefined();
  });

  it('with a header larger than an adapter has is refused unread', async () => {
    const large = new Uint8Array(5 * 2 ** 20);
    new DataView(large.buffer).setBigUint64(0, BigInt(large.length - 8), true);
    expect(await refusedWith('bad-file', () => check(large))).toContain('524288 is the most');
  });

  it('with more tensors than any adapter has is refused', async () => {
    const tensors = Array.from({ length: 8001 }, (_, at) => ({
      name: `t${at}`,
      dtype: 'F32' as const,
      shape: [0],
    }));
    expect(await refusedWith('bad-file', () => check(safetensorsHeader(tensors)))).toContain('8000');
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
      { numRuns: fuzzRuns(50), seed: 1 },
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
      { numRuns: fuzzRuns(300), seed: 2 },
    );
  });
});
