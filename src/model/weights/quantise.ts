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
      const length = Math.min(BLOCK_SIZE, columns - block * BLOCK_SIZE);
      const peak = peakOf(values, start, length);
      const even = Math.fround(Math.abs(peak) / (half - 1));
      const long = Math.fround(peak / -half);
      const scale =
        squaredError(values, start, length, long, half) < squaredError(values, start, length, even, half)
          ? long
          : even;
      const index = row * blocks + block;
      scales[index] = scale;
      codes.fill(half);
      for (let i = 0; i < length; i++) codes[i] = codeOf(values[start + i]!, scale, half) + half;
      if (bits === 8) data.set(codes, index * size);
      else for (let i = 0; i < size; i++) data[index * size + i] = codes[2 * i]! | (codes[2 * i + 1]! << 4);
    }
  }
  return { data, scales };
}

/** The value of largest magnitude, with its sign. */
function peakOf(values: Float32Array, start: number, length: number): number {
  let peak = 0;
  for (let i = start; i < start + length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value))
      throw new ModelError('bad-file', `A weight is ${value}; only finite ones can be quantised.`);
    if (Math.abs(value) > Math.abs(peak)) peak = value;
  }
  return peak;
}

function codeOf(value: number, scale: number, half: number): number {
  if (scale === 0) return 0;
  return Math.min(half - 1, Math.max(-half, Math.round(value / scale)));
}

function squaredError(
  values: Float32Array,
  start: number,
  length: number,
  scale: number,
  half: number,
): number {
  let sum = 0;
  for (let i = start; i < start + length; i++) {
    const value = values[i]!;
    const error = value - codeOf(value, scale, half) * scale;
    sum += error * error;
  }
  return sum;
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
    for (let column = 0; column < columns; column++) {
      const block = (firstRow + row) * blocks + Math.floor(column / BLOCK_SIZE);
      const inBlock = column % BLOCK_SIZE;
      const byte = packed.data[block * size + (bits === 8 ? inBlock : inBlock >> 1)]!;
      const code = bits === 8 ? byte - 128 : (inBlock & 1 ? byte >> 4 : byte & 15) - 8;
      out[row * columns + column] = code * packed.scales[block]!;
    }
  }
  return out;
}
