/** HDF5's types as NumPy's and as JavaScript's arrays. */
import type { Metadata } from 'h5wasm';

/** HDF5's numbers for classes of types (H5Tpublic.h). */
const INTEGER = 0;
const FLOAT = 1;
export const STRING = 3;
const ENUM = 8;
const VARIABLE_LENGTH = 9;

export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array<ArrayBuffer>
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export const ARRAYS: Readonly<Record<string, (buffer: ArrayBuffer) => NumberArray>> = {
  float16: (buffer) => Float32Array.from(new Uint16Array(buffer), halfToFloat),
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
};

/** Lists of bytes, each of its own length. */
export const BYTES = 'bytes';

export function dtypeOf({ type, size, signed, vlen_type: element }: Metadata): string {
  if (type === FLOAT) return `float${size * 8}`;
  if (type === INTEGER) return `${signed ? 'int' : 'uint'}${size * 8}`;
  if (type === STRING) return 'string';
  if (type === VARIABLE_LENGTH && element?.type === INTEGER && element.size === 1) return BYTES;
  // h5py's booleans are an enumeration of a byte.
  return type === ENUM && size === 1 ? 'bool' : `class ${type}`;
}

function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
