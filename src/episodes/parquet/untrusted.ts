/**
 * Sizes in a Parquet file, checked before hyparquet believes them. A damaged file of some kilobytes can claim arrays of gigabytes; hyparquet
 * allocates what is claimed, and the tab or process dies before any error is thrown.
 */

/** Thrift's compact protocol (apache/thrift, doc/specs/thrift-compact-protocol.md), as far as Parquet uses it. */
const STOP = 0;
const BYTE = 3;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;
/** The footer nests structs by about eight levels. */
const DEEPEST = 32;
/** A varint of 64 bits. */
const LONGEST_VARINT = 10;

/**
 * Walks a Thrift struct: every length has to fit into the bytes that are left.
 * @returns the offset after it
 * @throws Error where a length does not fit; RangeError where the bytes end
 */
export function checkThrift(view: DataView, offset: number, depth = 0): number {
  if (depth > DEEPEST) throw new Error('its header is nested too deeply');
  let at = offset;
  for (;;) {
    const byte = view.getUint8(at++);
    const type = byte & 0x0f;
    if (type === STOP) return at;
    // Without a difference, the field's id follows.
    if (byte >> 4 === 0) at = readVarint(view, at).next;
    at = checkElement(view, at, type, depth);
  }
}

function checkElement(view: DataView, at: number, type: number, depth: number): number {
  // TRUE and FALSE are their own value.
  if (type < BYTE) return at;
  if (type === BYTE) return at + 1;
  if (type < DOUBLE) return readVarint(view, at).next;
  if (type === DOUBLE) return at + 8;
  if (type === STRUCT) return checkThrift(view, at, depth + 1);
  if (type === BINARY) {
    const { value, next } = readVarint(view, at);
    fits(view, next, value);
    return next + value;
  }
  if (type !== LIST) throw new Error(`its header has a field of the unknown type ${type}`);
  const head = view.getUint8(at);
  const long = head >> 4 === 15 ? readVarint(view, at + 1) : { value: head >> 4, next: at + 1 };
  fits(view, long.next, long.value);
  const element = head & 0x0f;
  let next = long.next;
  for (let i = 0; i < long.value; i++) {
    // In a list, a boolean takes a byte.
    next = checkElement(view, next, element < BYTE ? BYTE : element, depth + 1);
  }
  return next;
}

/** Each element of a list, and each byte of a text, takes at least one byte. */
function fits(view: DataView, at: number, count: number): void {
  if (count <= view.byteLength - at) return;
  throw new Error(
    `its header claims ${count} elements where ${Math.max(0, view.byteLength - at)} bytes are left`,
  );
}

/** @throws Error for one that is longer than 64 bits */
export function readVarint(view: DataView, at: number): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < LONGEST_VARINT; i++) {
    const byte = view.getUint8(at + i);
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  throw new Error('its header has a number of more than 64 bits');
}

/**
 * Walks levels or dictionary indices in the hybrid of runs and bit-packed values (apache/parquet-format, Encodings.md): a run must not
 * hold more values than are left. Where the bytes end before, hyparquet says so.
 * @returns how many values there are
 */
export function checkRuns(view: DataView, offset: number, bitWidth: number, count: number): number {
  if (bitWidth > 32) throw new Error(`a page has values of ${bitWidth} bits`);
  let at = offset;
  let seen = 0;
  while (seen < count && at < view.byteLength) {
    const { value, next } = readVarint(view, at);
    if (value % 2 === 1) {
      const groups = (value - 1) / 2;
      at = next + groups * bitWidth;
      // The last group is filled up to eight values.
      if (groups === 0 || seen + 8 * groups > count + 7)
        throw new Error('a page has more values than it says');
      seen += 8 * groups;
    } else {
      at = next + Math.ceil(bitWidth / 8);
      if (value === 0 || seen + value / 2 > count) throw new Error('a page has more values than it says');
      seen += value / 2;
    }
  }
  return seen;
}

/** Delta encodings start with the size of a block and how many parts it has. */
export function checkDelta(view: DataView, offset: number): void {
  const block = readVarint(view, offset);
  const parts = readVarint(view, block.next);
  if (block.value >= 1 && block.value <= 2 ** 20 && parts.value >= 1 && parts.value <= 2 ** 10) return;
  throw new Error(`a page has delta blocks of ${block.value} values in ${parts.value} parts`);
}
