/** Writes what torch.save writes, and what an attacker might: the opposite of src/model/weights/pickle.ts. */
import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from '@zip.js/zip.js';

/** A value to pickle. Objects are dicts, unless they have one of the special fields. */
export type Picklable =
  | null
  | boolean
  | number
  | string
  | readonly Picklable[]
  | { readonly tuple: readonly Picklable[] }
  | { readonly global: string }
  | { readonly call: string; readonly args: readonly Picklable[] }
  | { readonly persistent: readonly Picklable[] }
  | { readonly dict: Readonly<Record<string, Picklable>> };

const encoder = new TextEncoder();

export function concat(...parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function opcodes(value: Picklable): Uint8Array {
  if (value === null) return encoder.encode('N');
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0x88 : 0x89);
  if (typeof value === 'number') return concat(encoder.encode('J'), uint32(value));
  if (typeof value === 'string') {
    const text = encoder.encode(value);
    return concat(encoder.encode('X'), uint32(text.length), text);
  }
  if (Array.isArray(value)) return concat(encoder.encode(']('), ...value.map(opcodes), encoder.encode('e'));
  if ('tuple' in value) return concat(encoder.encode('('), ...value.tuple.map(opcodes), encoder.encode('t'));
  if ('global' in value) {
    const dot = value.global.lastIndexOf('.');
    return encoder.encode(`c${value.global.slice(0, dot)}\n${value.global.slice(dot + 1)}\n`);
  }
  if ('call' in value)
    return concat(opcodes({ global: value.call }), opcodes({ tuple: value.args }), encoder.encode('R'));
  if ('persistent' in value) return concat(opcodes({ tuple: value.persistent }), encoder.encode('Q'));
  if (!('dict' in value)) throw new Error('nothing that can be pickled');
  const items = Object.entries(value.dict).flatMap(([key, item]) => [opcodes(key), opcodes(item)]);
  return concat(encoder.encode('}('), ...items, encoder.encode('u'));
}

/** Protocol 2. */
export function pickle(value: Picklable): Uint8Array<ArrayBuffer> {
  return concat([0x80, 2], opcodes(value), encoder.encode('.'));
}

/** A tensor as torch pickles it. */
export function tensor(
  key: string,
  type: string,
  size: number,
  view: { offset?: number; shape: number[]; stride: number[] },
): Picklable {
  return {
    call: 'torch._utils._rebuild_tensor_v2',
    args: [
      { persistent: ['storage', { global: `torch.${type}` }, key, 'cpu', size] },
      view.offset ?? 0,
      { tuple: view.shape },
      { tuple: view.stride },
      false,
      { call: 'collections.OrderedDict', args: [] },
    ],
  };
}

/** A zip with the given records below `archive/`. */
export async function archive(
  records: Readonly<Record<string, Uint8Array>>,
  options: { level?: number } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new ZipWriter(new Uint8ArrayWriter(), { level: options.level ?? 0, useWebWorkers: false });
  for (const [name, bytes] of Object.entries(records))
    await writer.add(`archive/${name}`, new Uint8ArrayReader(bytes));
  return writer.close();
}

/** A state dict of float32 vectors as torch.save writes it. */
export async function torchArchiveOf(
  vectors: Readonly<Record<string, readonly number[]>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const all = Object.entries(vectors);
  const dict = Object.fromEntries(
    all.map(([name, { length }], i) => [
      name,
      tensor(String(i), 'FloatStorage', length, { shape: [length], stride: [1] }),
    ]),
  );
  const records = all.map(
    ([, values], i) => [`data/${i}`, new Uint8Array(Float32Array.from(values).buffer)] as const,
  );
  return archive({ 'data.pkl': pickle({ dict }), ...Object.fromEntries(records) });
}
