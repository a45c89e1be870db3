/** The safetensors format: u64 header length, JSON header, raw little-endian tensors. */
import * as v from 'valibot';
import { ModelError } from '../errors.ts';
import type { RandomAccess } from './random-access.ts';
import {
  DTYPE_BYTES,
  elementCount,
  overlay,
  renamed,
  tensorFile,
  type FileDtype,
  type TensorEntry,
  type TensorFile,
} from './tensor-file.ts';

/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const entrySchema = v.object({
  dtype: v.picklist(Object.keys(DTYPE_BYTES) as FileDtype[]),
  shape: v.pipe(v.array(size), v.maxLength(16)),
  data_offsets: v.tuple([size, size]),
});

/** Text by name that a file carries beside its tensors. @throws ModelError `bad-file` */
export async function safetensorsMetadata(file: RandomAccess): Promise<ReadonlyMap<string, string>> {
  const { header } = await readHeader(file);
  const { __metadata__: metadata } = header;
  if (typeof metadata !== 'object' || metadata === null) return new Map();
  return new Map(
    Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

async function readHeader(
  file: RandomAccess,
): Promise<{ header: Record<string, unknown>; dataStart: number }> {
  if (file.byteLength < 10) throw damaged(`the file has ${file.byteLength} bytes, a header alone has more`);
  const headerLength = Number(new DataView((await file.read(0, 8)).buffer).getBigUint64(0, true));
  if (headerLength > Math.min(MAX_HEADER_BYTES, file.byteLength - 8)) {
    throw damaged(`the header claims ${headerLength} bytes, the file has ${file.byteLength}`);
  }
  return { header: parseHeader(await file.read(8, headerLength)), dataStart: 8 + headerLength };
}

/** @throws ModelError `bad-file` saying what is wrong with the header. */
export async function openSafetensors(file: RandomAccess): Promise<TensorFile> {
  const { header, dataStart } = await readHeader(file);
  const dataLength = file.byteLength - dataStart;

  const entries = new Map<string, TensorEntry>();
  const starts = new Map<string, number>();
  for (const [name, json] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const parsed = v.safeParse(entrySchema, json);
    if (!parsed.success) throw damaged(`the entry of "${name}" is wrong: ${parsed.issues[0].message}`);
    const {
      dtype,
      shape,
      data_offsets: [start, end],
    } = parsed.output;
    const byteLength = elementCount(shape) * DTYPE_BYTES[dtype];
    if (end - start !== byteLength || end > dataLength) {
      throw damaged(
        `"${name}" is ${dtype} [${shape.join(', ')}], ${byteLength} bytes, but lies at ${start}…${end} of ${dataLength}`,
      );
    }
    entries.set(name, { dtype, shape, byteLength });
    starts.set(name, start);
  }
  refuseOverlaps(entries, starts);
  return tensorFile(entries, (name, offset, length) =>
    file.read(dataStart + starts.get(name)! + offset, length),
  );
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>;
  } catch {
    // Reported below, like a header that is JSON of another kind.
  }
  throw damaged('the header is no JSON object');
}

function refuseOverlaps(
  entries: ReadonlyMap<string, TensorEntry>,
  starts: ReadonlyMap<string, number>,
): void {
  const byStart = [...starts]
    .filter(([name]) => entries.get(name)!.byteLength > 0)
    .toSorted((a, b) => a[1] - b[1]);
  let end = 0;
  for (const [name, start] of byStart) {
    if (start < end) throw damaged(`"${name}" overlaps the tensor before it`);
    end = start + entries.get(name)!.byteLength;
  }
}

function damaged(what: string): ModelError {
  return new ModelError(
    'bad-file',
    `This is no intact safetensors file: ${what}.`,
    'Copy or download the file again.',
  );
}

/** A sharded checkpoint: `model.safetensors.index.json` and the files it names. */
export async function openShardedSafetensors(
  index: unknown,
  open: (path: string) => Promise<RandomAccess>,
): Promise<TensorFile> {
  const schema = v.object({ weight_map: v.record(v.string(), v.pipe(v.string(), v.regex(/^[\w.-]+$/))) });
  const parsed = v.safeParse(schema, index);
  if (!parsed.success) throw new ModelError('bad-file', 'The safetensors index has no usable "weight_map".');
  const { weight_map: weightMap } = parsed.output;
  const shards = new Map<string, TensorFile>();
  for (const path of new Set(Object.values(weightMap)))
    shards.set(path, await openSafetensors(await open(path)));
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
