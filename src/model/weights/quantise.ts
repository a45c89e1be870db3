/**
 * Symmetric blockwise quantisation in the layout of onnxruntime's com.microsoft.MatMulNBits:
 * blocks of 32 along the input axis K, one float32 scale each, codes offset by 8 (4 bit) or 128 (8 bit),
 * two 4-bit codes a byte with the first in the low half. A last block that is not full is padded with zeros.
 */
import { ModelError } from '../errors.ts';

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
  const codes = new Uint8Array(BLOCK_SIZE);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * columns + block * BLOCK_SIZE;
      const end = start + Math.min(BLOCK_SIZE, columns - block * BLOCK_SIZE);
      const scale = bestScale(values, start, end, half);
      const index = row * blocks + block;
      scales[index] = scale;
      codes.fill(half);
      const inverse = scale === 0 ? 0 : 1 / scale;
      for (let i = start; i < end; i++) codes[i - start] = codeOf(values[i]!, inverse, half) + half;
      if (bits === 8) data.set(codes, index * size);
      else for (let i = 0; i < size; i++) data[index * size + i] = codes[2 * i]! | (codes[2 * i + 1]! << 4);
    }
  }
  return { data, scales };
}

/** Scale of one block, values[start…end); 0 where all values are 0, or too small for float32 to hold their scale. */
function bestScale(values: Float32Array, start: number, end: number, half: number): number {
  const peak = peakOf(values, start, end);
  const even = Math.fround(Math.abs(peak) / (half - 1));
  const long = Math.fround(peak / -half);
  if (long === 0) return 0;
  const byEven = 1 / even;
  const byLong = 1 / long;
  let evenError = 0;
  let longError = 0;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    const e = value - codeOf(value, byEven, half) * even;
    const l = value - codeOf(value, byLong, half) * long;
    evenError += e * e;
    longError += l * l;
  }
  return longError < evenError ? long : even;
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

/** 1.5 · 2^52: adding it to a small double leaves no bits for a fraction, so the sum is rounded to nearest even. */
const ROUNDER = 6755399441055744;

function codeOf(value: number, inverseScale: number, half: number): number {
  const code = value * inverseScale + ROUNDER - ROUNDER;
  return code < -half ? -half : code > half - 1 ? half - 1 : code;
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
