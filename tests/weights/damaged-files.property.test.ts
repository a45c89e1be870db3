/**
 * Damaged and hostile files: a reader gives a value or a ModelError, never another exception, never a hang, and never
 * more memory than a small multiple of the file.
 */
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { parseManifest } from '../../src/model/weights/manifest.ts';
import { unpickle } from '../../src/model/weights/pickle.ts';
import { memoryReader, type ByteReader } from '../../src/io/byte-reader.ts';
import { openSafetensors, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import type { TensorFile } from '../../src/model/weights/tensor-file.ts';
import { openTorchArchive } from '../../src/model/weights/torch-archive.ts';
import { concat, pickle } from './make-archive.ts';
import { smallPackage } from './small-package.ts';
import { fuzzRuns } from '../setup/fuzz.ts';

const RUNS = fuzzRuns(300);

/** `value`, or the ModelError's code; anything else that is thrown fails the property. */
async function outcome(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'value';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

type Damage =
  | { kind: 'flip'; at: number; bit: number }
  | { kind: 'cut'; at: number }
  | { kind: 'fill'; at: number; bytes: Uint8Array }
  | { kind: 'double'; at: number; length: number };

/** A fraction of the file, so that one damage fits files of any length. (fc.double is near 0 nearly always.) */
const fraction = fc.integer({ min: 0, max: 999_999 }).map((millionth) => millionth / 1e6);

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({
    kind: fc.constant('flip' as const),
    at: fraction,
    bit: fc.integer({ min: 0, max: 7 }),
  }),
  fc.record({ kind: fc.constant('cut' as const), at: fraction }),
  fc.record({
    kind: fc.constant('fill' as const),
    at: fraction,
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 16 }),
      fc.constantFrom(new Uint8Array(8).fill(255), new Uint8Array(8), Uint8Array.of(255, 255, 255, 127)),
    ),
  }),
  fc.record({
    kind: fc.constant('double' as const),
    at: fraction,
    length: fc.integer({ min: 1, max: 200 }),
  }),
);

function applied(bytes: Uint8Array<ArrayBuffer>, damages: readonly Damage[]): Uint8Array<ArrayBuffer> {
  let out = bytes.slice();
  for (const one of damages) {
    const at = Math.min(out.length - 1, Math.floor(one.at * out.length));
    if (out.length === 0) break;
    if (one.kind === 'flip') out[at]! ^= 1 << one.bit;
    else if (one.kind === 'cut') out = out.slice(0, at);
    else if (one.kind === 'fill') out.set(one.bytes.subarray(0, out.length - at), at);
    else out = concat(out.slice(0, at + one.length), out.slice(at));
  }
  return out;
}

const damages = fc.array(damage, { minLength: 1, maxLength: 4 });

/** The same file, counting the bytes that it gave. Reads past its end are refused before any memory is taken. */
function counted(bytes: Uint8Array<ArrayBuffer>): ByteReader & { given: number } {
  const access = memoryReader(bytes);
  const counter = {
    ...access,
    given: 0,
    slice: async (start: number, end: number) => {
      const part = await access.slice(start, end);
      counter.given += part.byteLength;
      return part;
    },
  };
  return counter;
}

/** Reads every tensor of a file; gives the bytes that came. */
async function readEverything(file: TensorFile): Promise<number> {
  let bytes = 0;
  for (const [name, { byteLength }] of file.entries) {
    const read = await file.readRaw(name);
    expect(read.byteLength).toBe(byteLength);
    bytes += read.byteLength;
  }
  return bytes;
}

describe('safetensors', () => {
  const tensors = [
    { name: 'weight', dtype: 'BF16' as const, shape: [4, 6] },
    { name: 'bias', dtype: 'F32' as const, shape: [6] },
    { name: 'steps', dtype: 'I64' as const, shape: [] },
  ];
  const whole = concat(safetensorsHeader(tensors), new Uint8Array(48 + 24 + 8));

  it('damaged anywhere', async () => {
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(damages, async (list) => {
        const access = counted(applied(whole, list));
        const result = await outcome(async () => {
          // Tensors never overlap, so all of them together are no more than the file.
          expect(await readEverything(await openSafetensors(access))).toBeLessThanOrEqual(access.byteLength);
        });
        expect(access.given).toBeLessThanOrEqual(2 * access.byteLength + 16);
        outcomes.add(result);
      }),
      { numRuns: RUNS },
    );
    // Else the damages are all of one kind, and the test shows little.
    expect(outcomes).toContain('bad-file');
    expect(outcomes).toContain('value');
  });

  it('with any JSON for a header', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.string(),
          fc.record({
            dtype: fc.oneof(fc.constantFrom('F32', 'U8', 'I64'), fc.jsonValue()),
            shape: fc.oneof(
              fc.array(fc.integer({ min: -1, max: 2 ** 40 }), { maxLength: 4 }),
              fc.jsonValue(),
            ),
            data_offsets: fc.oneof(fc.tuple(fc.integer(), fc.integer()), fc.jsonValue()),
          }),
        ),
        async (header) => {
          const text = new TextEncoder().encode(JSON.stringify(header));
          const length = new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer);
          const access = counted(concat(length, text, new Uint8Array(64)));
          await outcome(async () => readEverything(await openSafetensors(access)));
          expect(access.given).toBeLessThanOrEqual(2 * access.byteLength);
        },
      ),
      { numRuns: RUNS },
    );
  });
});

describe('torch archives', () => {
  const golden = new Uint8Array(
    readFileSync('tests/golden/libero-l1/proprio_projector--50000_checkpoint.pt'),
  );

  it('damaged anywhere', async () => {
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(damages, async (list) => {
        const access = counted(applied(golden, list));
        const start = performance.now();
        outcomes.add(await outcome(async () => readEverything(await openTorchArchive(access))));
        expect(performance.now() - start).toBeLessThan(2000);
        // Four tensors may claim the same storage, so more than the file may be read; but not much more.
        expect(access.given).toBeLessThanOrEqual(20 * golden.byteLength);
      }),
      { numRuns: RUNS },
    );
    expect(outcomes).toContain('bad-file');
    expect(outcomes).toContain('value');
  });

  it('cut at every length', async () => {
    for (let length = 0; length < golden.length; length += 13)
      expect(await outcome(() => openTorchArchive(memoryReader(golden.slice(0, length))))).toBe('bad-file');
  });
});

describe('pickles', () => {
  const seed = pickle({
    dict: {
      weight: {
        call: 'torch._utils._rebuild_tensor_v2',
        args: [
          { persistent: ['storage', { global: 'torch.FloatStorage' }, '0', 'cpu', 6] },
          0,
          { tuple: [2, 3] },
          { tuple: [3, 1] },
          false,
          { call: 'collections.OrderedDict', args: [] },
        ],
      },
      epoch: 3,
    },
  });

  it('damaged anywhere', async () => {
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(damages, async (list) => {
        outcomes.add(await outcome(() => unpickle(applied(seed, list))));
      }),
      { numRuns: 5 * RUNS },
    );
    expect([...outcomes].toSorted()).toEqual(['bad-pickle', 'value']);
  });

  it('of random opcodes', async () => {
    // Mostly opcodes that are known, so that programs get far before they fail.
    const opcode = fc.constantFrom(
      ...new TextEncoder().encode('(0NKMJX}])t\x85\x86\x87aesuqrhjcQRb\x8a\x93\x94\x95\x80\x8c'),
    );
    const program = fc.array(fc.oneof({ weight: 4, arbitrary: opcode }, fc.integer({ min: 0, max: 255 })), {
      maxLength: 300,
    });
    await fc.assert(
      fc.asyncProperty(program, async (bytes) => {
        expect(['bad-pickle', 'value']).toContain(
          await outcome(() => unpickle(Uint8Array.from([...bytes, 0x2e]))),
        );
      }),
      { numRuns: 5 * RUNS },
    );
  });
});

describe('manifests', () => {
  it('damaged as text', async () => {
    const { files } = await smallPackage();
    const whole = files.get('manifest.json')!;
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(damages, async (list) => {
        outcomes.add(await outcome(() => parseManifest(new TextDecoder().decode(applied(whole, list)))));
      }),
      { numRuns: RUNS },
    );
    expect(outcomes).toContain('bad-package');
  });

  it('with any value in any place', async () => {
    const { manifest, files } = await smallPackage();
    const total = [...files.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    const places = placesOf(JSON.parse(JSON.stringify(manifest)));
    const strange = fc.oneof(
      fc.jsonValue(),
      fc.integer(),
      fc.double(),
      fc.constantFrom(2 ** 53, 2 ** 31, -1, 0, 0.5, '', '../x', '__proto__', null),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), strange, async (place, value) => {
        const copy: unknown = JSON.parse(JSON.stringify(manifest));
        replace(copy, place, value);
        await outcome(() => {
          const { tensors } = parseManifest(JSON.stringify(copy));
          // What was accepted asks for no more memory than the package has bytes, at one byte for two codes.
          for (const { shape } of tensors)
            expect(shape.reduce((product, dim) => product * dim, 1)).toBeLessThanOrEqual(2 * total);
        });
      }),
      { numRuns: 2 * RUNS },
    );
  });
});

type Place = readonly (string | number)[];

/** Paths to every value inside a JSON value. */
function placesOf(json: unknown): Place[] {
  if (typeof json !== 'object' || json === null) return [];
  return Object.entries(json).flatMap(([key, value]) => [
    [key],
    ...placesOf(value).map((place) => [key, ...place]),
  ]);
}

function replace(json: unknown, place: Place, value: unknown): void {
  let at = json as Record<string, unknown>;
  for (const key of place.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[place.at(-1)!] = value;
}
