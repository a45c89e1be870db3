/**
 * Scales of a packed weight in half the bytes, to the bit. Quantised from bfloat16, a scale is a bfloat16 over 7, or one over −8
 * (quantise.ts): a few thousand different ones, whatever the size of the tensor. So a table and 16 bits a block say all.
 *
 * 32-bit words: `INDEXED`, entries of the table, the table as float32, two indices a word with the first in the low half.
 */

/** A NaN: no scale, which tells this form from scales as they are. The kernels know it (`packed-scales.wgsl`). */
const INDEXED = 0xffc00001;

/** Entries of the table, whether used or not, so that bytes follow from the shape. bfloat16s of 21 powers of two need no more. */
export const TABLE_ENTRIES = 8192;

/** Slots for entries by their bits, four times as many. */
const SLOT_BITS = 15;

const wordsOf = (blocks: number, entries: number): number => 2 + entries + Math.ceil(blocks / 2);

/** Bytes on the GPU of so many scales. @param few whether they may be expected to be few different ones */
export function scalesByteLength(blocks: number, few: boolean): number {
  return few && isWorthIt(blocks) ? 4 * wordsOf(blocks, TABLE_ENTRIES) : 4 * blocks;
}

/** Smaller tensors would gain little by it. */
const isWorthIt = (blocks: number): boolean => blocks >= 4 * TABLE_ENTRIES;

/** The scales in fewer bytes; null where they are too many different ones, or too few at all. @param entries of the table, 8192 at most */
export function indexedScales(
  scales: Float32Array,
  entries: number | null = null,
): Uint32Array<ArrayBuffer> | null {
  if (entries === null && !isWorthIt(scales.length)) return null;
  const room = entries ?? TABLE_ENTRIES;
  const bits = new Uint32Array(scales.buffer, scales.byteOffset, scales.length);
  const out = new Uint32Array(wordsOf(bits.length, room));
  out[0] = INDEXED;
  out[1] = room;
  const table = out.subarray(2, 2 + room);
  const pairs = out.subarray(2 + room);
  // Open addressing: the index in the table plus one, or nothing.
  const slots = new Uint16Array(2 ** SLOT_BITS);
  let used = 0;
  // A plain loop: a policy of 7B has 226 million of them.
  for (let block = 0; block < bits.length; block++) {
    const value = bits[block]!;
    let slot = Math.imul(value, 0x9e3779b1) >>> (32 - SLOT_BITS);
    while (slots[slot] !== 0 && table[slots[slot]! - 1] !== value) slot = (slot + 1) % slots.length;
    if (slots[slot] === 0) {
      if (used === room) return null;
      table[used] = value;
      used += 1;
      slots[slot] = used;
    }
    pairs[block >>> 1]! |= (slots[slot]! - 1) << (16 * (block & 1));
  }
  return out;
}
