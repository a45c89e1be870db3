/** Headers of safetensors files that no reader takes: `openSafetensors` and `checkAdapterFile` are both tried with them. */

/** A safetensors file with that header, as text or JSON, and so many bytes of data. */
export function fileWith(header: unknown, dataBytes = 0): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

export const tensor = (dtype: string, shape: unknown, start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});
export const F32 = tensor('F32', [2], 0, 8);

const startingWith = (...start: readonly number[]): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(100).fill(0x20);
  bytes.set(start);
  return bytes;
};

/** Files by what is wrong with them, and what the message says of it. */
export const DAMAGED: readonly [what: string, bytes: Uint8Array<ArrayBuffer>, message: string][] = [
  ['nine bytes', new Uint8Array(9), '9 bytes'],
  ['a header longer than the file', startingWith(101), 'claims'],
  ['a header of 2^63 bytes', startingWith(0, 0, 0, 0, 0, 0, 0, 0x80), 'claims'],
  ['the start of a zip archive', startingWith(0x50, 0x4b, 3, 4), 'zip archive'],
  ['the start of a pickle', startingWith(0x80, 2), 'pickle'],
  ['the start of a gzip file', startingWith(0x1f, 0x8b, 8), 'gzip'],
  ['the start of a web page', startingWith(0x3c, 0x21), 'web page'],
  ['no JSON', fileWith('{"a":', 8), 'no JSON'],
  ['a mark before its JSON', fileWith(`\uFEFF${JSON.stringify({ a: F32 })}`, 8), 'no JSON'],
  ['a header nested without end', fileWith('['.repeat(100_000), 8), 'nested deeper than 8'],
  ['a list for a header', fileWith([F32], 8), 'no JSON object'],
  ['a hole', fileWith({ a: F32, b: tensor('F32', [1], 12, 16) }, 16), 'starts at byte 12'],
  ['an overlap', fileWith({ a: F32, b: tensor('F32', [2], 4, 12) }, 12), 'starts at byte 4'],
  ['one tensor twice', fileWith({ a: F32, b: F32 }, 8), 'starts at byte 0'],
  [
    'one name twice',
    fileWith(`{"a":${JSON.stringify(F32)},"a":${JSON.stringify(tensor('F32', [2], 8, 16))}}`, 16),
    '"a" occurs twice',
  ],
  ['bytes behind the last tensor', fileWith({ a: F32 }, 9), 'take 8 bytes, there are 9'],
  ['bytes missing', fileWith({ a: F32 }, 7), 'take 8 bytes, there are 7'],
  ['bytes before the first tensor', fileWith({ a: tensor('F32', [1], 4, 8) }, 8), 'starts at byte 4'],
  ['another length than the shape', fileWith({ a: tensor('F32', [3], 0, 8) }, 8), '12 bytes, but has 8'],
  ['its end before its start', fileWith({ a: tensor('F32', [2], 8, 0) }, 8), 'has -8'],
  ['a type nobody knows', fileWith({ a: tensor('F8', [8], 0, 8) }, 8), 'F8'],
  ['a type that every object has', fileWith({ a: tensor('constructor', [8], 0, 8) }, 8), 'constructor'],
  ['a negative size', fileWith({ a: tensor('F32', [-2], 0, 8) }, 8), '-2'],
  ['half a size', fileWith({ a: tensor('F32', [0.5], 0, 2) }, 2), '0.5'],
  [
    'sizes whose product is not exact',
    fileWith({ a: tensor('F32', [2 ** 30, 2 ** 30], 0, 8) }, 8),
    'but has 8',
  ],
  [
    'a shape of astronomic size',
    fileWith({ a: tensor('F32', [1e15, 1e15, 1e15, 1e15, 1e15, 1e15, 1e15, 1e15], 0, 8) }, 8),
    'but has 8',
  ],
  ['nine dimensions', fileWith({ a: tensor('F32', [2, 1, 1, 1, 1, 1, 1, 1, 1], 0, 8) }, 8), '9'],
  ['fields nobody knows', fileWith({ a: { ...F32, code: 'x' } }, 8), 'code'],
  ['an entry that is a number', fileWith({ a: 8 }, 8), 'entry of "a"'],
  [
    'metadata that is not text',
    fileWith({ __metadata__: { b: { c: 1 } }, a: F32 }, 8),
    '"b", which is not text',
  ],
  [
    'metadata with a prototype',
    fileWith(`{"__metadata__":{"__proto__":{}},"a":${JSON.stringify(F32)}}`, 8),
    '"__proto__", which is not text',
  ],
  ['a list for metadata', fileWith({ __metadata__: ['a'], a: F32 }, 8), 'metadata'],
  ['nothing for metadata', fileWith({ __metadata__: null, a: F32 }, 8), 'metadata'],
  [
    'more tensors than any policy has',
    fileWith(
      Object.fromEntries(Array.from({ length: 20_001 }, (_, at) => [`t${at}`, tensor('F32', [0], 0, 0)])),
    ),
    '20001 tensors, and 20000',
  ],
];
