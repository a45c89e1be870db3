/**
 * Symmetric blockwise quantisation in the layout of onnxruntime's com.microsoft.MatMulNBits:
 * blocks of 32 along the input axis K, one float32 scale each, codes offset by 8 (4 bit) or 128 (8 bit),
 * two 4-bit codes a byte with the first in the low half. A last block that is not full is padded with zeros.
 */
import { ModelError } from '../../base/errors.ts';

export const BLOCK_SIZE = 32;

export type QuantisedBits = 4 | 8;

export interface QuantisedRows {
  /** [rows, blocks, 32 · bits / 8] */
  readonly data: Uint8Array<ArrayBuffer>;
  /** [rows, blocks] */
  readonly scales: Float32Array<ArrayBuffer>;
}

export const blocksPerRow = (columns: number): number => Math.ceil(columns / BLOCK_SIZE);
export const blockBytes = (bits: QuantisedBits): number => (BLOCK_SIZE * bits) / 8;

/**
 * Quantises rows [rows, columns]. Each block tries two scales and keeps the one with the smaller squared error: the
 * largest value at the end of the short side of the code range (±7, ±127), which rounds every weight, or
 * at the end of the long side (−8, −128), which is finer by an eighth but may clip the opposite sign.
 *
 * @throws ModelError `bad-file` for values that are not finite.
 */
export function quantiseRows(values: Float32Array, columns: number, bits: QuantisedBits): QuantisedRows {
  const rows = values.length / columns;
  const blocks = blocksPerRow(columns);
  const half = 2 ** (bits - 1);
  const size = blockBytes(bits);
  const data = new Uint8Array(rows * blocks * size);
  const scales = new Float32Array(rows * blocks);
  const block: Block = { scale: 0, codes: new Uint8Array(BLOCK_SIZE) };
  const scratch = [new Uint8Array(BLOCK_SIZE), new Uint8Array(BLOCK_SIZE)] as const;
  for (let index = 0; index < rows * blocks; index++) {
    const inRow = index % blocks;
    const start = ((index - inRow) / blocks) * columns + inRow * BLOCK_SIZE;
    const end = start + Math.min(BLOCK_SIZE, columns - inRow * BLOCK_SIZE);
    quantiseBlock(values, start, end, half, block, scratch);
    scales[index] = block.scale;
    const { codes } = block;
    const at = index * size;
    if (bits === 8) data.set(codes, at);
    else for (let i = 0; i < size; i++) data[at + i] = codes[2 * i]! | (codes[2 * i + 1]! << 4);
  }
  return { data, scales };
}

/** One block as it is stored: 32 codes, offset by `half`; a block that is not full ends in zeros. */
interface Block {
  scale: number;
  codes: Uint8Array;
}

/** 1.5 · 2^52: adding it to a small double leaves no bits for a fraction, so the sum is rounded to nearest even. */
const ROUNDER = 6755399441055744;

/**
 * Quantises values[start…end). The scale is 0 where all values are 0, or too small for float32 to hold their scale.
 * @param scratch codes with either scale
 */
function quantiseBlock(
  values: Float32Array,
  start: number,
  end: number,
  half: number,
  out: Block,
  [evenCodes, longCodes]: readonly [Uint8Array, Uint8Array],
): void {
  const peak = peakOf(values, start, end);
  const even = Math.fround(Math.abs(peak) / (half - 1));
  const long = Math.fround(peak / -half);
  if (end - start < BLOCK_SIZE || long === 0) {
    evenCodes.fill(half);
    longCodes.fill(half);
  }
  out.codes = evenCodes;
  out.scale = long === 0 ? 0 : even;
  if (long === 0) return;
  const byEven = 1 / even;
  const byLong = 1 / long;
  const top = half - 1;
  let evenError = 0;
  let longError = 0;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    let evenCode = value * byEven + ROUNDER - ROUNDER;
    let longCode = value * byLong + ROUNDER - ROUNDER;
    // The opposite sign of the peak lies beyond the short side; a scale that is subnormal is too coarse for either.
    if (evenCode > top) evenCode = top;
    else if (evenCode < -half) evenCode = -half;
    if (longCode > top) longCode = top;
    else if (longCode < -half) longCode = -half;
    const e = value - evenCode * even;
    const l = value - longCode * long;
    evenError += e * e;
    longError += l * l;
    evenCodes[i - start] = evenCode + half;
    longCodes[i - start] = longCode + half;
  }
  if (!(longError < evenError)) return;
  out.codes = longCodes;
  out.scale = long;
}

/** The value of largest magnitude, with its sign. */
function peakOf(values: Float32Array, start: number, end: number): number {
  let peak = 0;
  let size = 0;
  // x − x is 0 for what is finite and NaN otherwise: one test a block instead of one a value.
  let finite = 0;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    finite += value - value;
    if (Math.abs(value) > size) {
      size = Math.abs(value);
      peak = value;
    }
  }
  if (finite === 0) return peak;
  const bad = values.subarray(start, end).find((value) => !Number.isFinite(value));
  throw new ModelError(
    'bad-file',
    `A weight is ${bad}; only finite ones can be quantised.`,
    'The checkpoint is damaged, or its training diverged.',
  );
}

/** Rows back to float32, without the padding. `firstRow` counts in the packed data. */
export function dequantiseRows(
  packed: { readonly data: Uint8Array; readonly scales: Float32Array },
  columns: number,
  bits: QuantisedBits,
  firstRow: number,
  rowCount: number,
): Float32Array<ArrayBuffer> {
  const blocks = blocksPerRow(columns);
  const size = blockBytes(bits);
  const out = new Float32Array(rowCount * columns);
  for (let row = 0; row < rowCount; row++) {
    for (let block = 0; block < blocks; block++) {
      const index = (firstRow + row) * blocks + block;
      const scale = packed.scales[index]!;
      const start = row * columns + block * BLOCK_SIZE;
      const length = Math.min(BLOCK_SIZE, columns - block * BLOCK_SIZE);
      for (let i = 0; i < length; i++) {
        const byte = packed.data[index * size + (bits === 8 ? i : i >> 1)]!;
        const code = bits === 8 ? byte - 128 : (i & 1 ? byte >> 4 : byte & 15) - 8;
        out[start + i] = code * scale;
      }
    }
  }
  return out;
}
