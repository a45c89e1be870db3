/** Writes safetensors files, tensor by tensor: nothing but a piece of one tensor is in memory. */
import { ModelError } from '../../base/errors.ts';
import { toBfloat16 } from './half.ts';
import { safetensorsHeader } from './safetensors.ts';
import { DTYPE_BYTES, elementCount, type TensorFile } from './tensor-file.ts';
import { bytesSource, type ByteSource } from './zip-writer.ts';

/** What is written: its values are at hand, or are read by rows of the first axis when their turn comes. */
export interface WritableTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | ((firstRow: number, rowCount: number) => Promise<Float32Array<ArrayBuffer>>);
}

export type NamedTensors = Iterable<readonly [name: string, tensor: WritableTensor]>;

export type WriteDtype = 'float32' | 'bfloat16';
/** One for all tensors, or by name. */
export type DtypeChoice = WriteDtype | ((name: string) => WriteDtype);

/** float32 values held at once. */
const PIECE_VALUES = 2 ** 20;

export const fileDtype = (choice: DtypeChoice, name: string): 'F32' | 'BF16' =>
  (typeof choice === 'string' ? choice : choice(name)) === 'float32' ? 'F32' : 'BF16';

/** A tensor of an open file, read when it is written. */
export function fromFile(file: TensorFile, name: string): WritableTensor {
  const { shape } = file.entries.get(name)!;
  return { shape, data: (firstRow, rowCount) => file.readFloat32(name, firstRow, rowCount) };
}

/** Little-endian, row-major; bfloat16 rounds to nearest even. */
export function tensorBytes(tensor: WritableTensor, dtype: 'F32' | 'BF16'): ByteSource {
  const { shape, data } = tensor;
  const count = elementCount(shape);
  const encode = (values: Float32Array): Uint8Array<ArrayBuffer> =>
    new Uint8Array(dtype === 'F32' ? values.slice().buffer : toBfloat16(values).buffer);
  return {
    byteLength: count * DTYPE_BYTES[dtype],
    chunks: async function* () {
      if (typeof data !== 'function') {
        for (let at = 0; at < count; at += PIECE_VALUES) yield encode(data.subarray(at, at + PIECE_VALUES));
        return;
      }
      const rows = shape[0] ?? 1;
      const rowsPerPiece = Math.max(1, Math.floor(PIECE_VALUES / Math.max(1, count / Math.max(1, rows))));
      for (let row = 0; row < rows; row += rowsPerPiece) {
        yield encode(await data(row, Math.min(rowsPerPiece, rows - row)));
      }
    },
  };
}

/** One file, tensors sorted by name. @param metadata text that goes with them; default as torch's */
export function safetensorsFile(
  tensors: NamedTensors,
  dtype: DtypeChoice = 'float32',
  metadata?: Record<string, string>,
): ByteSource {
  const parts = partsOf(tensors, dtype);
  const header = safetensorsHeader(
    parts.map(({ name, fileType, shape }) => ({ name, dtype: fileType, shape })),
    metadata,
  );
  return {
    byteLength: header.byteLength + parts.reduce((sum, { source }) => sum + source.byteLength, 0),
    chunks: async function* () {
      yield header.slice();
      for (const { source } of parts) yield* source.chunks();
    },
  };
}

/**
 * A checkpoint as `save_pretrained` names its files: `model.safetensors`, or `model-00001-of-00003.safetensors` … with an index once it is larger
 * than `maxShardBytes`.
 */
export function shardedSafetensors(
  tensors: NamedTensors,
  dtype: DtypeChoice = 'float32',
  maxShardBytes = 5e9,
): { path: string; source: ByteSource }[] {
  const all = [...tensors].toSorted(byName);
  const shards: { tensors: (readonly [string, WritableTensor])[]; byteLength: number }[] = [];
  let total = 0;
  for (const entry of all) {
    const [name, { shape }] = entry;
    const byteLength = elementCount(shape) * DTYPE_BYTES[fileDtype(dtype, name)];
    const last = shards.at(-1);
    if (last && last.byteLength + byteLength <= maxShardBytes) {
      last.tensors.push(entry);
      last.byteLength += byteLength;
    } else shards.push({ tensors: [entry], byteLength });
    total += byteLength;
  }
  if (shards.length <= 1) return [{ path: 'model.safetensors', source: safetensorsFile(all, dtype) }];
  const pathOf = (i: number) => `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
  const weightMap = Object.fromEntries(
    shards.flatMap((shard, i) => shard.tensors.map(([name]) => [name, pathOf(i)])),
  );
  const index = new TextEncoder().encode(
    JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, null, 2),
  );
  return [
    ...shards.map((shard, i) => ({ path: pathOf(i), source: safetensorsFile(shard.tensors, dtype) })),
    { path: 'model.safetensors.index.json', source: bytesSource(index) },
  ];
}

const digits = (n: number): string => String(n).padStart(5, '0');

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;

function partsOf(tensors: NamedTensors, dtype: DtypeChoice) {
  return [...tensors].toSorted(byName).map(([name, tensor]) => {
    checkValues(name, tensor);
    const fileType = fileDtype(dtype, name);
    return { name, fileType, shape: tensor.shape, source: tensorBytes(tensor, fileType) };
  });
}

/** @throws ModelError `bad-shape` where a tensor has not as many values as its shape says */
export function checkValues(name: string, { shape, data }: WritableTensor): void {
  if (typeof data === 'function' || data.length === elementCount(shape)) return;
  throw new ModelError('bad-shape', `"${name}" is [${shape.join(', ')}] but has ${data.length} values.`);
}
