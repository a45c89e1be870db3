import { checkRange, type ByteReader } from '../../io/byte-reader.ts';
import { ModelError } from '../../base/errors.ts';
import { fromBfloat16, fromFloat16 } from './half.ts';

/** Bytes per element, by safetensors' names of the types. */
export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

export type FileDtype = keyof typeof DTYPE_BYTES;

export interface TensorEntry {
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** Where a tensor's bytes lie in one piece, as they are. */
export interface TensorPlace {
  readonly file: ByteReader;
  /** Of the first byte in the file. */
  readonly start: number;
}

/** Named tensors that are read piece by piece. All methods throw ModelError `missing-tensor` or `bad-file`. */
export interface TensorFile {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Little-endian, row-major bytes, all or a range of them; a copy that the caller may change. */
  readRaw(name: string, byteOffset?: number, byteLength?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Rows of the first axis as float32; everything by default. Floating types only. */
  readFloat32(name: string, firstRow?: number, rowCount?: number): Promise<Float32Array<ArrayBuffer>>;
  /** Any type as numbers; 64-bit integers must be safe ones. */
  readNumbers(name: string): Promise<Float64Array>;
  /** Null for a tensor that is computed or gathered when it is read. */
  placeOf(name: string): TensorPlace | null;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/**
 * The decoding methods over entries and raw bytes; `readRange` is only asked for bytes that the entry has.
 * @param placeOf where tensors lie in files as they are; default: nowhere
 */
export function tensorFile(
  entries: ReadonlyMap<string, TensorEntry>,
  readRange: (name: string, offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>,
  placeOf: (name: string) => TensorPlace | null = () => null,
): TensorFile {
  const entryOf = (name: string): TensorEntry => {
    const entry = entries.get(name);
    if (entry) return entry;
    throw new ModelError('missing-tensor', `There is no tensor "${name}" among ${entries.size}.`);
  };
  const checked = async (name: string, offset: number, length: number) => {
    checkRange(`"${name}"`, entryOf(name).byteLength, offset, offset + length);
    return readRange(name, offset, length);
  };
  return {
    entries,
    readRaw: async (name, byteOffset = 0, byteLength) =>
      checked(name, byteOffset, byteLength ?? entryOf(name).byteLength - byteOffset),
    readFloat32: async (name, firstRow = 0, rowCount) => {
      const { dtype, shape } = entryOf(name);
      const rows = shape[0] ?? 1;
      const rowBytes = elementCount(shape.slice(1)) * DTYPE_BYTES[dtype];
      const bytes = await checked(name, firstRow * rowBytes, (rowCount ?? rows - firstRow) * rowBytes);
      return decodeFloats(name, dtype, ownBuffer(bytes));
    },
    readNumbers: async (name) => {
      const { dtype, byteLength } = entryOf(name);
      return decodeNumbers(name, dtype, ownBuffer(await checked(name, 0, byteLength)));
    },
    placeOf: (name) => (entries.has(name) ? placeOf(name) : null),
  };
}

/** The bytes as a buffer of their own, so that they start aligned for any element type. */
function ownBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
}

/** @param buffer starts with the first value */
export function decodeFloats(name: string, dtype: FileDtype, buffer: ArrayBuffer): Float32Array<ArrayBuffer> {
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'BF16') return fromBfloat16(new Uint16Array(buffer));
  if (dtype === 'F16') return fromFloat16(new Uint16Array(buffer));
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer));
  throw new ModelError('bad-file', `"${name}" holds ${dtype}, expected a floating type.`);
}

function decodeNumbers(name: string, dtype: FileDtype, buffer: ArrayBuffer): Float64Array {
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer);
    case 'F32':
      return Float64Array.from(new Float32Array(buffer));
    case 'F16':
      return Float64Array.from(fromFloat16(new Uint16Array(buffer)));
    case 'BF16':
      return Float64Array.from(fromBfloat16(new Uint16Array(buffer)));
    case 'I64':
      return Float64Array.from(new BigInt64Array(buffer), (value) => {
        if (Number.isSafeInteger(Number(value))) return Number(value);
        throw new ModelError(
          'bad-file',
          `"${name}" holds the integer ${value}, which has more than 53 bits.`,
        );
      });
    case 'I32':
      return Float64Array.from(new Int32Array(buffer));
    case 'I16':
      return Float64Array.from(new Int16Array(buffer));
    case 'I8':
      return Float64Array.from(new Int8Array(buffer));
    default:
      return Float64Array.from(new Uint8Array(buffer));
  }
}

/** Several files as one; a name in a later file hides the same name in an earlier one. */
export function overlay(...files: readonly TensorFile[]): TensorFile {
  const owners = new Map<string, TensorFile>();
  const entries = new Map<string, TensorEntry>();
  for (const file of files) {
    for (const [name, entry] of file.entries) {
      owners.set(name, file);
      entries.set(name, entry);
    }
  }
  return tensorFile(
    entries,
    (name, offset, length) => owners.get(name)!.readRaw(name, offset, length),
    (name) => owners.get(name)!.placeOf(name),
  );
}

/** The same tensors under other names; a name mapped to null is left out. */
export function renamed(file: TensorFile, rename: (name: string) => string | null): TensorFile {
  const original = new Map<string, string>();
  const entries = new Map<string, TensorEntry>();
  for (const [name, entry] of file.entries) {
    const target = rename(name);
    if (target === null) continue;
    if (entries.has(target)) throw new ModelError('bad-file', `Two tensors are called "${target}".`);
    original.set(target, name);
    entries.set(target, entry);
  }
  return tensorFile(
    entries,
    (name, offset, length) => file.readRaw(original.get(name)!, offset, length),
    (name) => file.placeOf(original.get(name)!),
  );
}
