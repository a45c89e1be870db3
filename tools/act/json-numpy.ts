/**
 * numpy arrays in JSON, as the Python package json_numpy (2.1) writes and reads them:
 * `{"__numpy__": base64 of the raw bytes in C order, "dtype": numpy's descr such as "<f4", "shape": [...]}`.
 */
import { ModelError } from '../../src/base/errors.ts';
import { fromFloat16 } from '../../src/model/weights/half.ts';

export interface NumpyArray {
  /** numpy's name of the type, without the byte order: `u1`, `f4` … */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** In C order, as they came. */
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
}

type Read = (view: DataView, at: number, littleEndian: boolean) => number;

const DTYPES = {
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at, le) => view.getUint16(at, le),
  i2: (view, at, le) => view.getInt16(at, le),
  u4: (view, at, le) => view.getUint32(at, le),
  i4: (view, at, le) => view.getInt32(at, le),
  u8: (view, at, le) => Number(view.getBigUint64(at, le)),
  i8: (view, at, le) => Number(view.getBigInt64(at, le)),
  f2: (view, at, le) => fromFloat16(Uint16Array.of(view.getUint16(at, le)))[0]!,
  f4: (view, at, le) => view.getFloat32(at, le),
  f8: (view, at, le) => view.getFloat64(at, le),
} as const satisfies Record<string, Read>;

export type Dtype = keyof typeof DTYPES;

const MAX_DIMENSIONS = 8;

/** Whether a JSON value is an array in this form, right or wrong. */
export function isNumpyArray(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '__numpy__');
}

/**
 * @param name of the field, for messages
 * @throws ModelError `bad-input` for bytes that do not fit dtype and shape, and dtypes that are not numbers
 */
export function decodeArray(value: Record<string, unknown>, name: string): NumpyArray {
  const { __numpy__: base64, dtype: descr, shape } = value;
  const [, order, kind] = typeof descr === 'string' ? (/^([<>|=])(\w\d)$/.exec(descr) ?? []) : [];
  if (order === undefined || kind === undefined || !isDtype(kind) || (order === '|') !== kind.endsWith('1'))
    throw wrong(
      name,
      `its dtype is ${shown(descr)}; numbers are expected, such as "|u1", "<f4" or "<f8".`,
      'Convert the array with .astype(np.uint8) for an image, .astype(np.float32) for a state.',
    );
  if (!isShape(shape))
    throw wrong(name, `its shape is ${shown(shape)}; a list of whole numbers is expected.`, AS_WRITTEN);
  const expected = shape.reduce((product, size) => product * size, 1) * Number(kind.slice(1));
  if (typeof base64 !== 'string')
    throw wrong(name, `its "__numpy__" is ${shown(base64)}; base64 text is expected.`, AS_WRITTEN);
  // Buffer skips what is not base64 and stops at padding, so both lengths together say that nothing was skipped.
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== expected || base64.length !== 4 * Math.ceil(expected / 3))
    throw wrong(
      name,
      `its base64 text of ${base64.length} characters holds ${bytes.length} bytes, and ${descr as string} of shape [${shape.join(', ')}] takes ${expected}.`,
      AS_WRITTEN,
    );
  return { dtype: kind, shape, bytes, littleEndian: order !== '>' };
}

/** Its values in C order; 64-bit integers are rounded to what a double holds. */
export function valuesOf({ dtype, bytes, littleEndian }: NumpyArray): number[] {
  const size = Number(dtype.slice(1));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read: Read = DTYPES[dtype];
  return Array.from({ length: bytes.length / size }, (_, i) => read(view, i * size, littleEndian));
}

/** A vector of doubles, as upstream answers it. */
export function encodeVector(values: readonly number[]): {
  readonly __numpy__: string;
  readonly dtype: '<f8';
  readonly shape: readonly [number];
} {
  const bytes = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries()) bytes.writeDoubleLE(value, 8 * i);
  return { __numpy__: bytes.toString('base64'), dtype: '<f8', shape: [values.length] };
}

/** What was found, short enough for a message. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

const AS_WRITTEN = 'Encode it with json_numpy, as upstream’s clients do.';

function wrong(name: string, what: string, hint: string): ModelError {
  return new ModelError('bad-input', `"${name}" is not an array that can be read: ${what}`, hint);
}

function isDtype(kind: string): kind is Dtype {
  return Object.hasOwn(DTYPES, kind);
}

function isShape(shape: unknown): shape is number[] {
  return (
    Array.isArray(shape) &&
    shape.length <= MAX_DIMENSIONS &&
    shape.every((size) => Number.isSafeInteger(size) && size >= 0 && size < 2 ** 31)
  );
}
