/** The safetensors format: u64 header length, JSON header, raw little-endian tensors. */
import * as v from 'valibot';
import type { ByteReader } from '../../io/byte-reader.ts';
import { ModelError } from '../../base/errors.ts';
import { readSafetensorsHeader } from '../../base/safetensors-header.ts';
import {
  DTYPE_BYTES,
  elementCount,
  overlay,
  renamed,
  tensorFile,
  type FileDtype,
  type TensorFile,
} from './tensor-file.ts';

export interface SafetensorsFile extends TensorFile {
  /** Text by name that the file carries beside its tensors. */
  readonly metadata: ReadonlyMap<string, string>;
}

const RULES = {
  dtypes: DTYPE_BYTES,
  /** The limit of the reference implementation. */
  maxHeaderBytes: 100_000_000,
  refused: damaged,
};

/** @throws ModelError `bad-file` saying what is wrong with the header. */
export async function openSafetensors(file: ByteReader): Promise<SafetensorsFile> {
  const { tensors, metadata } = await readSafetensorsHeader(
    { byteLength: file.byteLength, read: (offset, length) => file.slice(offset, offset + length) },
    RULES,
  );
  const read = (name: string, offset: number, length: number) => {
    const start = tensors.get(name)!.offset + offset;
    return file.slice(start, start + length);
  };
  const placeOf = (name: string) => ({ file, start: tensors.get(name)!.offset });
  return { ...tensorFile(tensors, read, placeOf), metadata };
}

function damaged(what: string, cause?: unknown): ModelError {
  return new ModelError(
    'bad-file',
    `This is not an intact safetensors file: ${what}.`,
    'Copy or download the file again.',
    { cause },
  );
}

/** A sharded checkpoint: `model.safetensors.index.json` or `pytorch_model.bin.index.json`, and the files it names. */
export async function openSharded(
  index: unknown,
  open: (path: string) => Promise<TensorFile>,
): Promise<TensorFile> {
  const schema = v.object({ weight_map: v.record(v.string(), v.pipe(v.string(), v.regex(/^[\w.-]+$/))) });
  const parsed = v.safeParse(schema, index);
  if (!parsed.success)
    throw new ModelError('bad-file', 'The index of the weights has no usable "weight_map".');
  const { weight_map: weightMap } = parsed.output;
  const shards = new Map<string, TensorFile>();
  for (const path of new Set(Object.values(weightMap))) shards.set(path, await open(path));
  for (const [name, path] of Object.entries(weightMap)) {
    if (!shards.get(path)!.entries.has(name)) {
      throw new ModelError(
        'missing-tensor',
        `The index places "${name}" in ${path}, which does not hold it.`,
      );
    }
  }
  // A shard may hold more than the index takes from it; the index decides which of two copies counts.
  return overlay(
    ...[...shards].map(([path, shard]) => renamed(shard, (name) => (weightMap[name] === path ? name : null))),
  );
}

/** Header bytes of a file with these tensors, in this order; the data follows without gaps. */
export function safetensorsHeader(
  tensors: readonly { name: string; dtype: FileDtype; shape: readonly number[] }[],
  metadata: Record<string, string> = { format: 'pt' },
): Uint8Array<ArrayBuffer> {
  // Without a prototype: a tensor may be called `__proto__`.
  const header = Object.assign(Object.create(null) as Record<string, unknown>, { __metadata__: metadata });
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = offset + elementCount(shape) * DTYPE_BYTES[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(
    json + ' '.repeat((8 - (new TextEncoder().encode(json).length % 8)) % 8),
  );
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
