/** What a TFDS folder says of itself: features.json and dataset_info.json (tensorflow_datasets, core/features, core/dataset_info.py). */
import * as v from 'valibot';
import { readJson, type Folder } from '../io/folder.ts';
import { ModelError } from '../base/errors.ts';

/** One feature of a step, or of an episode where its key does not start with `steps/`. */
export interface RldsFeature {
  /** In the record: `steps/observation/image`. */
  readonly key: string;
  /** `image`, `state`, `action`, `cartesian_velocity`: the last part of the key, or the whole below `steps/` where two have one. */
  readonly name: string;
  readonly kind: 'tensor' | 'image' | 'text' | 'other';
  readonly dtype: string;
  /** −1 where it differs. */
  readonly shape: readonly number[];
  /** How a tensor is stored: as numbers, or as bytes. */
  readonly encoding: 'none' | 'bytes' | 'zlib';
}

const shapeSchema = v.optional(
  v.looseObject({ dimensions: v.optional(v.array(v.union([v.string(), v.number()]))) }),
);
const nodeSchema = v.looseObject({
  pythonClassName: v.optional(v.string()),
  featuresDict: v.optional(v.looseObject({ features: v.optional(v.record(v.string(), v.unknown())) })),
  sequence: v.optional(v.looseObject({ feature: v.optional(v.unknown()) })),
  tensor: v.optional(
    v.looseObject({ dtype: v.optional(v.string()), shape: shapeSchema, encoding: v.optional(v.string()) }),
  ),
  image: v.optional(
    v.looseObject({
      dtype: v.optional(v.string()),
      shape: shapeSchema,
      encodingFormat: v.optional(v.string()),
    }),
  ),
  text: v.optional(v.unknown()),
});

const whole = v.pipe(
  v.union([v.string(), v.number()]),
  v.transform(Number),
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(1e9),
);
const infoSchema = v.looseObject({
  name: v.string(),
  version: v.optional(v.string()),
  fileFormat: v.optional(v.string()),
  splits: v.array(
    v.looseObject({
      name: v.string(),
      shardLengths: v.optional(v.array(whole)),
      filepathTemplate: v.optional(v.string()),
    }),
  ),
});

export interface RldsInfo {
  readonly name: string;
  readonly version: string;
  readonly splits: readonly { name: string; shards: readonly { path: string; records: number }[] }[];
}

/** Deeper nesting, or more features, is not a robot's. */
const MOST_DEPTH = 12;
const MOST_FEATURES = 2000;
const MOST_SHARDS = 100_000;

/** @throws ModelError `bad-file`, or `unsupported` for a file format other than TFRecord */
export async function readInfo(folder: Folder): Promise<RldsInfo> {
  const parsed = v.safeParse(infoSchema, await readJson(folder, 'dataset_info.json'));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw wrong('dataset_info.json', `${v.getDotPath(issue) ?? 'its content'} is wrong: ${issue.message}`);
  }
  const { name, version = '', fileFormat = 'tfrecord', splits } = parsed.output;
  if (fileFormat !== 'tfrecord') {
    throw new ModelError(
      'unsupported',
      `${folder.name} is stored as ${fileFormat.slice(0, 40)}; TFRecord is read.`,
      'Convert it with tensorflow-datasets: tfds convert_format --file_format=tfrecord.',
    );
  }
  return {
    name,
    version,
    splits: splits.map((split) => {
      const lengths = split.shardLengths ?? [];
      if (lengths.length > MOST_SHARDS) throw wrong('dataset_info.json', `it has ${lengths.length} shards`);
      const template = split.filepathTemplate ?? '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}';
      const shards = lengths.map((records, i) => {
        const index = String(i).padStart(5, '0');
        const count = String(lengths.length).padStart(5, '0');
        const path = template
          .replaceAll('{DATASET}', name)
          .replaceAll('{SPLIT}', split.name)
          .replaceAll('{FILEFORMAT}', fileFormat)
          .replaceAll('{SHARD_X_OF_Y}', `${index}-of-${count}`)
          .replaceAll('{SHARD_INDEX}', index)
          .replaceAll('{NUM_SHARDS}', count);
        if (path.split('/').includes('..') || path.startsWith('/')) {
          throw wrong('dataset_info.json', `the path "${template.slice(0, 80)}" leaves the dataset`);
        }
        return { path, records };
      });
      return { name: split.name, shards };
    }),
  };
}

/** @throws ModelError `bad-file` for a features.json without steps */
export async function readFeatures(folder: Folder): Promise<RldsFeature[]> {
  const found: Omit<RldsFeature, 'name'>[] = [];
  walk(await readJson(folder, 'features.json'), [], false, found);
  const steps = found.filter(({ key }) => key.startsWith('steps/'));
  if (steps.length === 0) {
    throw new ModelError(
      'bad-file',
      `${folder.name} is a TFDS dataset without steps: it does not hold episodes of a robot (RLDS).`,
      'Choose a dataset whose features.json has "steps".',
    );
  }
  return found.map((feature) => {
    const rivals = steps.filter(({ key }) => last(key) === last(feature.key));
    // A name belongs to what is nearest to the observation: `observation/state` before `metadata/state`.
    const owner = rivals.find(({ key }) => key.startsWith('steps/observation/')) ?? rivals[0];
    return { ...feature, name: owner === feature ? last(feature.key) : feature.key.replace(/^steps\//, '') };
  });
}

const last = (key: string) => key.slice(key.lastIndexOf('/') + 1);

function walk(
  value: unknown,
  path: readonly string[],
  inside: boolean,
  found: Omit<RldsFeature, 'name'>[],
): void {
  const parsed = v.safeParse(nodeSchema, value);
  if (!parsed.success) {
    throw wrong('features.json', `${path.join('/') || 'it'} is not a feature: ${parsed.issues[0].message}`);
  }
  if (path.length > MOST_DEPTH || found.length >= MOST_FEATURES)
    throw wrong('features.json', 'it has too many features');
  const { featuresDict, sequence, tensor, image, text } = parsed.output;
  const key = path.join('/');
  if (featuresDict) {
    for (const [name, child] of Object.entries(featuresDict.features ?? {}))
      walk(child, [...path, name], inside, found);
  } else if (sequence && !inside && key === 'steps') {
    walk(sequence.feature, path, true, found);
  } else if (tensor) {
    const { dtype = 'float32', encoding = 'none' } = tensor;
    const known = encoding === 'none' || encoding === 'bytes' || encoding === 'zlib';
    const kind = !known ? 'other' : dtype === 'string' ? 'text' : 'tensor';
    found.push({ key, kind, dtype, shape: shapeOf(tensor.shape), encoding: known ? encoding : 'none' });
  } else if (image) {
    const { dtype = 'uint8' } = image;
    found.push({ key, kind: 'image', dtype, shape: shapeOf(image.shape), encoding: 'none' });
  } else {
    found.push({
      key,
      kind: text === undefined ? 'other' : 'text',
      dtype: 'string',
      shape: [],
      encoding: 'none',
    });
  }
}

function shapeOf(shape: v.InferOutput<typeof shapeSchema>): number[] {
  return (shape?.dimensions ?? []).map((size) => {
    const number = Number(size);
    return Number.isSafeInteger(number) && number >= 0 ? number : -1;
  });
}

function wrong(file: string, what: string): ModelError {
  return new ModelError('bad-file', `${file}: ${what}.`, 'Is it a dataset written by tensorflow-datasets?');
}
