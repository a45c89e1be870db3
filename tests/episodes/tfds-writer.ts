/** Writes TFDS folders: enough of TFRecord and tf.train.Example for tests. */
import { crc32c, masked } from '../../src/episodes/rlds-tfrecord.ts';

type Value =
  | { floats: readonly number[] }
  | { integers: readonly number[] }
  | { bytes: readonly (string | Uint8Array)[] };

function varint(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest];
    out.push((rest % 128) + 128);
  }
}

const field = (number: number, body: readonly number[]): number[] => [
  number * 8 + 2,
  ...varint(body.length),
  ...body,
];

const text = (part: string | Uint8Array) => [
  ...(typeof part === 'string' ? new TextEncoder().encode(part) : part),
];

function feature(value: Value): number[] {
  if ('floats' in value)
    return field(2, field(1, [...new Uint8Array(Float32Array.from(value.floats).buffer)]));
  if ('integers' in value) return field(3, field(1, value.integers.flatMap(varint)));
  return field(
    1,
    value.bytes.flatMap((part) => field(1, text(part))),
  );
}

export function example(features: Readonly<Record<string, Value>>): number[] {
  const entries = Object.entries(features).map(([key, value]) =>
    field(1, [...field(1, [...new TextEncoder().encode(key)]), ...field(2, feature(value))]),
  );
  return field(1, entries.flat());
}

export function tfRecords(records: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const parts = records.map((record) => {
    const out = new Uint8Array(record.length + 16);
    const view = new DataView(out.buffer);
    view.setBigUint64(0, BigInt(record.length), true);
    view.setUint32(8, masked(crc32c(out.subarray(0, 8))), true);
    out.set(record, 12);
    view.setUint32(12 + record.length, masked(crc32c(Uint8Array.from(record))), true);
    return [...out];
  });
  return Uint8Array.from(parts.flat());
}

/** Features below `steps/`: a size, a text, or an image. */
type Features = { readonly [name: string]: number | 'text' | 'image' | Features };

function node(of: Features[string]): object {
  if (typeof of === 'number')
    return { tensor: { dtype: 'float32', encoding: 'none', shape: { dimensions: [String(of)] } } };
  if (of === 'text') return { text: {} };
  if (of === 'image')
    return { image: { dtype: 'uint8', encodingFormat: 'png', shape: { dimensions: ['-1', '-1', '3'] } } };
  return {
    featuresDict: {
      features: Object.fromEntries(Object.entries(of).map(([key, child]) => [key, node(child)])),
    },
  };
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const five = (value: number) => String(value).padStart(5, '0');

/** @param splits records of each shard of each split */
export function tfdsFiles(
  name: string,
  features: Features,
  splits: Readonly<Record<string, readonly (readonly number[])[][]>>,
): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>([
    [
      'features.json',
      json({ featuresDict: { features: { steps: { sequence: { feature: node(features) } } } } }),
    ],
    [
      'dataset_info.json',
      json({
        name,
        version: '0.1.0',
        fileFormat: 'tfrecord',
        splits: Object.entries(splits).map(([split, shards]) => ({
          name: split,
          shardLengths: shards.map(({ length }) => String(length)),
        })),
      }),
    ],
  ]);
  for (const [split, shards] of Object.entries(splits)) {
    for (const [i, records] of shards.entries()) {
      files.set(`${name}-${split}.tfrecord-${five(i)}-of-${five(shards.length)}`, tfRecords(records));
    }
  }
  return files;
}
