/** Tensors as a package stores them. */
import { ModelError } from '../../base/errors.ts';
import { fromFloat16, toFloat16 } from './half.ts';
import { blockBytes, blocksPerRow, dequantiseRows, quantiseRows } from './quantise.ts';
import { elementCount } from './tensor-file.ts';

export type Encoding = 'f32' | 'f16' | 'q8' | 'q4';

export interface EncodedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: Encoding;
  /** Little-endian values, row-major; the packed codes of q8 and q4 (quantise.ts). */
  readonly data: Uint8Array<ArrayBuffer>;
  /** One per block of q8 and q4, [rows, blocks]. */
  readonly scales?: Float32Array<ArrayBuffer>;
}

export interface EncodedRows {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer> | null;
}

/** Bytes of data and of scales. q8 and q4 take matrices [N, K]. */
export function encodedParts(shape: readonly number[], encoding: Encoding): { data: number; scales: number } {
  const count = elementCount(shape);
  if (encoding === 'f32') return { data: 4 * count, scales: 0 };
  if (encoding === 'f16') return { data: 2 * count, scales: 0 };
  const [rows, columns] = matrixDims('a tensor', shape);
  const blocks = rows * blocksPerRow(columns);
  return { data: blocks * blockBytes(encoding === 'q8' ? 8 : 4), scales: 4 * blocks };
}

export function encodedByteLength(shape: readonly number[], encoding: Encoding): number {
  const { data, scales } = encodedParts(shape, encoding);
  return data + scales;
}

/** Encodes whole rows [rows, columns] of a tensor, so that large tensors can be encoded piece by piece. */
export function encodeRows(
  values: Float32Array<ArrayBuffer>,
  columns: number,
  encoding: Encoding,
): EncodedRows {
  if (encoding === 'f32') return { data: bytesOf(values), scales: null };
  if (encoding === 'f16') return { data: bytesOf(toFloat16(values)), scales: null };
  return quantiseRows(values, columns, encoding === 'q8' ? 8 : 4);
}

export function encodeTensor(
  name: string,
  shape: readonly number[],
  values: Float32Array<ArrayBuffer>,
  encoding: Encoding,
): EncodedTensor {
  if (encoding === 'q8' || encoding === 'q4') matrixDims(name, shape);
  const { data, scales } = encodeRows(values, shape.at(-1) ?? 1, encoding);
  return { name, shape, encoding, data, ...(scales ? { scales } : {}) };
}

/** All values as float32, row-major. No copy for an aligned f32 tensor. */
export function decodeFloat32(weight: EncodedTensor): Float32Array<ArrayBuffer> {
  const { data, shape, encoding } = weight;
  const count = elementCount(shape);
  if (encoding === 'f32') return aligned(data, 4, (buffer, at) => new Float32Array(buffer, at, count));
  if (encoding === 'f16')
    return fromFloat16(aligned(data, 2, (buffer, at) => new Uint16Array(buffer, at, count)));
  const [rows, columns] = matrixDims(weight.name, shape);
  return dequantiseRows({ data, scales: scalesOf(weight) }, columns, encoding === 'q8' ? 8 : 4, 0, rows);
}

/** The given rows (first axis) of a matrix as float32, one after another. */
export function decodeRows(weight: EncodedTensor, rows: readonly number[]): Float32Array<ArrayBuffer> {
  const [total, width] = matrixDims(weight.name, weight.shape);
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    if (!(row >= 0 && row < total))
      throw new ModelError('bad-shape', `"${weight.name}" has ${total} rows, no row ${row}.`);
    out.set(decodeRow(weight, row, width), i * width);
  });
  return out;
}

function decodeRow(weight: EncodedTensor, row: number, width: number): Float32Array {
  const { data, encoding } = weight;
  if (encoding === 'q8' || encoding === 'q4') {
    return dequantiseRows({ data, scales: scalesOf(weight) }, width, encoding === 'q8' ? 8 : 4, row, 1);
  }
  const bytes = (encoding === 'f32' ? 4 : 2) * width;
  const part = data.slice(row * bytes, (row + 1) * bytes);
  return encoding === 'f32' ? new Float32Array(part.buffer) : fromFloat16(new Uint16Array(part.buffer));
}

function matrixDims(name: string, shape: readonly number[]): [number, number] {
  const [rows, columns] = shape;
  if (shape.length === 2 && rows !== undefined && columns !== undefined) return [rows, columns];
  throw new ModelError(
    'bad-shape',
    `"${name}" has shape [${shape.join(', ')}]; rows are read and quantised of matrices only.`,
  );
}

function scalesOf(weight: EncodedTensor): Float32Array {
  if (weight.scales) return weight.scales;
  throw new ModelError('bad-file', `"${weight.name}" is ${weight.encoding} but has no scales.`);
}

function bytesOf(values: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function aligned<T>(
  data: Uint8Array<ArrayBuffer>,
  to: number,
  view: (buffer: ArrayBuffer, at: number) => T,
): T {
  return data.byteOffset % to === 0 ? view(data.buffer, data.byteOffset) : view(data.slice().buffer, 0);
}
