/** Blocks of baseline JPEG: Huffman codes (ITU T.81, annex F) and libjpeg's fast inverse DCT (jidctfst.c), in its integers. */

/** Zigzag order → rows. */
const NATURAL = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46,
  53, 60, 61, 54, 47, 55, 62, 63,
]);

export interface HuffmanTable {
  /** By length: the first code, and where its value stands; a code of this length or more is longer. */
  readonly first: Int32Array;
  readonly at: Int32Array;
  readonly beyond: Int32Array;
  readonly values: Uint8Array;
}

/** @param counts of codes of 1 to 16 bits */
export function huffmanTable(counts: Uint8Array, values: Uint8Array): HuffmanTable {
  const first = new Int32Array(17);
  const at = new Int32Array(17);
  const beyond = new Int32Array(17);
  for (let length = 1, code = 0, index = 0; length <= 16; length++) {
    first[length] = code;
    at[length] = index;
    code += counts[length - 1]!;
    index += counts[length - 1]!;
    beyond[length] = code;
    code *= 2;
  }
  return { first, at, beyond, values };
}

/** Thrown for data that ends early, or codes that do not exist. */
export class BadScan extends Error {}

/** The entropy-coded part of a scan. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #bits = 0;
  #count = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  #bit(): number {
    if (this.#count === 0) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new BadScan('it ends early');
      if (byte === 0xff) {
        // A stuffed zero follows; anything else is a marker.
        if (this.#bytes[this.#at + 1] !== 0) throw new BadScan('a marker comes early');
        this.#at += 1;
      }
      this.#at += 1;
      this.#bits = byte;
      this.#count = 8;
    }
    this.#count -= 1;
    return (this.#bits >> this.#count) & 1;
  }

  symbol({ first, at, beyond, values }: HuffmanTable): number {
    let code = 0;
    for (let length = 1; length <= 16; length++) {
      code = code * 2 + this.#bit();
      if (code < beyond[length]!) return values[at[length]! + code - first[length]!]!;
    }
    throw new BadScan('it has a code that does not exist');
  }

  /** A number of so many bits, negative ones as T.81 writes them. */
  number(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) value = value * 2 + this.#bit();
    return bits > 0 && value < 2 ** (bits - 1) ? value - 2 ** bits + 1 : value;
  }

  /** Goes on after a restart marker. */
  restart(): void {
    this.#count = 0;
    const [ff, marker] = [this.#bytes[this.#at], this.#bytes[this.#at + 1] ?? 0];
    if (ff !== 0xff || marker < 0xd0 || marker > 0xd7) throw new BadScan('a restart marker is missing');
    this.#at += 2;
  }
}

/** Reads one block's coefficients, multiplied by `scale` (in rows). @returns its DC value, for the next one */
export function readBlock(
  bits: BitReader,
  dc: HuffmanTable,
  ac: HuffmanTable,
  before: number,
  scale: Int32Array,
  block: Int32Array,
): number {
  block.fill(0);
  const value = before + bits.number(bits.symbol(dc) & 15);
  block[0] = value * scale[0]!;
  for (let k = 1; k < 64; k++) {
    const symbol = bits.symbol(ac);
    const size = symbol & 15;
    k += symbol >> 4;
    if (size === 0) {
      if (symbol !== 0xf0) break;
      continue;
    }
    if (k > 63) throw new BadScan('a block has too many values');
    const place = NATURAL[k]!;
    block[place] = bits.number(size) * scale[place]!;
  }
  return value;
}

/** cos(k π / 16) √2 for k > 0, each with each: 14 bits (jddctmgr.c, aanscales). */
const AAN = [1, 1.387039845, 1.306562965, 1.175875602, 1, 0.785694958, 0.5411961, 0.275899379];

/** Quantisation steps, in zigzag order → factors of the fast transform, in rows: 2 bits of fraction. */
export function fastScale(steps: ArrayLike<number>): Int32Array {
  const scale = new Int32Array(64);
  for (let k = 0; k < 64; k++) {
    const place = NATURAL[k]!;
    const factor = Math.round(AAN[place >> 3]! * AAN[place & 7]! * 16384);
    scale[place] = (steps[k]! * factor + 2048) >> 12;
  }
  return scale;
}

/** Products as libjpeg takes them: 8 bits of fraction, cut off. */
const times = (value: number, factor: number) => (value * factor) >> 8;

/** One pass over eight values, `step` apart. */
function transform(values: Int32Array, at: number, step: number): void {
  const v = (i: number) => values[at + i * step]!;
  const sum04 = v(0) + v(4);
  const difference04 = v(0) - v(4);
  const sum26 = v(2) + v(6);
  const rotated26 = times(v(2) - v(6), 362) - sum26;
  const e0 = sum04 + sum26;
  const e3 = sum04 - sum26;
  const e1 = difference04 + rotated26;
  const e2 = difference04 - rotated26;
  const z13 = v(5) + v(3);
  const z10 = v(5) - v(3);
  const z11 = v(1) + v(7);
  const z12 = v(1) - v(7);
  const o7 = z11 + z13;
  const z5 = times(z10 + z12, 473);
  const o6 = times(z10, -669) + z5 - o7;
  const o5 = times(z11 - z13, 362) - o6;
  const o4 = times(z12, 277) - z5 + o5;
  values[at] = e0 + o7;
  values[at + 7 * step] = e0 - o7;
  values[at + step] = e1 + o6;
  values[at + 6 * step] = e1 - o6;
  values[at + 2 * step] = e2 + o5;
  values[at + 5 * step] = e2 - o5;
  values[at + 4 * step] = e3 + o4;
  values[at + 3 * step] = e3 - o4;
}

/** Coefficients → samples, written into a plane. Overwrites the block. */
export function inverseDct(block: Int32Array, plane: Uint8ClampedArray, at: number, stride: number): void {
  for (let column = 0; column < 8; column++) transform(block, column, 8);
  for (let row = 0; row < 8; row++) {
    transform(block, 8 * row, 1);
    for (let column = 0; column < 8; column++) {
      plane[at + row * stride + column] = (block[8 * row + column]! >> 5) + 128;
    }
  }
}
