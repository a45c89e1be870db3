/** One episode of an RLDS dataset: one record. */
import type { ByteReader } from '../io/byte-reader.ts';
import { cachedReader } from '../io/cached-reader.ts';
import { ModelError } from '../base/errors.ts';
import type { CameraInfo, Episode, EpisodeInfo, FrameImage } from './dataset.ts';
import { joined } from './feature-rows.ts';
import { turnedImage } from './frame-pixels.ts';
import { decodeImage } from './image-decode.ts';
import { Example } from './rlds-example.ts';
import type { RldsFeature } from './rlds-features.ts';
import type { Standardisation } from './rlds-standardise.ts';
import { decodeTensorFlowJpeg } from './tensorflow-jpeg.ts';
import { checkedRecord, recordAt, type RecordPlace } from './rlds-tfrecord.ts';

export interface StoredEpisode {
  readonly file: ByteReader;
  readonly place: RecordPlace;
}

/** How the records of a dataset are read. */
export interface RldsReading {
  /** By their keys below `steps/`. */
  readonly features: ReadonlyMap<string, RldsFeature>;
  readonly mapping: {
    readonly action: RldsFeature;
    readonly state: readonly RldsFeature[];
    readonly cameras: readonly RldsFeature[];
  };
  /** Null where values are as stored. */
  readonly standard: Standardisation | null;
  readonly cameras: readonly CameraInfo[];
  readonly turned: 0 | 180;
  readonly instruction: string | null;
  /** Whether the checksum of a record is looked at when it is opened, or with its first frame. */
  readonly checkedAtOnce: boolean;
}

/** A record of which only numbers and texts are wanted, not the pictures between them. */
export function inPieces(file: ByteReader, place: RecordPlace): ByteReader {
  return cachedReader(recordAt(file, place), { blockBytes: 4096, keptBytes: 2 ** 22 });
}

/** Steps of an episode as stored, by its actions. @throws ModelError `bad-file` */
export async function stepsOf(example: Example, { mapping }: RldsReading): Promise<number> {
  const { action } = mapping;
  if (action.encoding !== 'none') return example.count(action.key);
  const { length } = await example.numbers(action.key);
  if (length % widthOf(action) === 0) return length / widthOf(action);
  throw new ModelError(
    'bad-file',
    `${example.name}: an episode has ${length} values of ${action.key}, not a multiple of ${widthOf(action)}.`,
    'features.json or the record is damaged; copy the dataset again.',
  );
}

/** One a step, as stored, or the episode's own for each of them; none where there are none. */
export async function instructionsOf(
  example: Example,
  { instruction }: RldsReading,
  steps: number,
): Promise<string[]> {
  if (instruction === null || !example.has(instruction)) return [];
  const texts = (await example.texts(instruction)).map((text) => text.trim());
  return instruction.startsWith('steps/') ? texts : Array<string>(steps).fill(texts[0] ?? '');
}

/** @throws ModelError `bad-file` for a wrong checksum, or features of different lengths */
export async function openEpisode(
  { file, place }: StoredEpisode,
  info: EpisodeInfo,
  reading: RldsReading,
): Promise<Episode> {
  const { mapping, standard } = reading;
  let whole: Promise<Example> | null = null;
  const checked = (): Promise<Example> => {
    whole ??= checkedRecord(file, place).then((record) => Example.index(record));
    whole.catch(() => (whole = null));
    return whole;
  };
  const example = reading.checkedAtOnce ? await checked() : await Example.index(inPieces(file, place));
  const steps = await stepsOf(example, reading);
  const first = standard?.skipped.first ?? 0;
  if (
    !Number.isInteger(steps) ||
    Math.max(0, steps - first - (standard?.skipped.last ?? 0)) !== info.length
  ) {
    throw new ModelError(
      'bad-file',
      `${file.name}: episode ${info.index} changed since it was opened.`,
      'Open it again.',
    );
  }
  const rows = (feature: RldsFeature) => rowsOf(example, feature, steps, file.name);
  const instructions = (await instructionsOf(example, reading, steps)).slice(first, first + info.length);
  const numbers = standard
    ? await standardised(reading, standard, rows, steps)
    : await asStored(mapping, rows, steps);
  return {
    ...info,
    actions: numbers.action,
    state: numbers.state,
    instructions: info.tasks ? instructions : null,
    timestamps: null,
    frame: async (camera, step) => frameOf(await checked(), info, reading, camera, first, step),
    close: () => (whole = null),
  };
}

type Rows = (feature: RldsFeature) => Promise<Float32Array>;

async function asStored({ action, state }: RldsReading['mapping'], rows: Rows, steps: number) {
  const parts: { width: number; rows: Float32Array }[] = [];
  for (const feature of state) parts.push({ width: widthOf(feature), rows: await rows(feature) });
  return { action: await rows(action), state: parts.length > 0 ? joined(parts, steps) : null };
}

async function standardised({ features }: RldsReading, standard: Standardisation, rows: Rows, steps: number) {
  const taken = new Map<string, Float32Array>();
  for (const key of Object.keys(standard.takes)) taken.set(key, await rows(features.get(key)!));
  return standard.apply((key) => taken.get(key)!, steps);
}

const widthOf = ({ shape }: RldsFeature): number => shape[0] ?? 1;

async function rowsOf(
  example: Example,
  feature: RldsFeature,
  steps: number,
  name: string,
): Promise<Float32Array> {
  const { key, encoding } = feature;
  const rows = encoding === 'none' ? await example.numbers(key) : await encodedRows(example, feature);
  if (rows.length === steps * widthOf(feature)) return rows;
  throw new ModelError(
    'bad-file',
    `${name}: an episode has ${steps} steps, and ${rows.length} values of ${key}, expected ${steps * widthOf(feature)}.`,
    'Copy the dataset again.',
  );
}

interface Stored {
  readonly bytes: number;
  readonly read: (buffer: ArrayBuffer) => ArrayLike<number>;
}

const NUMBERS: Readonly<Record<string, Stored>> = {
  bool: { bytes: 1, read: (buffer) => new Uint8Array(buffer) },
  int8: { bytes: 1, read: (buffer) => new Int8Array(buffer) },
  uint8: { bytes: 1, read: (buffer) => new Uint8Array(buffer) },
  int16: { bytes: 2, read: (buffer) => new Int16Array(buffer) },
  uint16: { bytes: 2, read: (buffer) => new Uint16Array(buffer) },
  int32: { bytes: 4, read: (buffer) => new Int32Array(buffer) },
  uint32: { bytes: 4, read: (buffer) => new Uint32Array(buffer) },
  int64: { bytes: 8, read: (buffer) => Array.from(new BigInt64Array(buffer), Number) },
  float32: { bytes: 4, read: (buffer) => new Float32Array(buffer) },
  float64: { bytes: 8, read: (buffer) => new Float64Array(buffer) },
};

/** TFDS's `encoding`: a step's values as little-endian bytes, zlib-compressed or not. */
async function encodedRows(example: Example, feature: RldsFeature): Promise<Float32Array> {
  const { key, dtype, encoding } = feature;
  const numbers = NUMBERS[dtype];
  if (!numbers)
    throw new ModelError('unsupported', `${key} holds ${dtype} as bytes.`, 'Choose another feature.');
  const width = widthOf(feature);
  const count = await example.count(key);
  const out: number[] = [];
  for (let step = 0; step < count; step++) {
    const stored = await example.bytes(key, step);
    const raw = encoding === 'zlib' ? await inflate(stored, width * numbers.bytes, key) : stored;
    if (raw.byteLength !== width * numbers.bytes) {
      throw new ModelError(
        'bad-file',
        `${key} has ${raw.byteLength} bytes at step ${step}, expected ${width * numbers.bytes}.`,
        'Copy the dataset again.',
      );
    }
    for (const value of Array.from(numbers.read(raw.buffer))) out.push(value);
  }
  return Float32Array.from(out);
}

/** @param most bytes that come out */
async function inflate(
  bytes: Uint8Array<ArrayBuffer>,
  most: number,
  key: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(most);
  let length = 0;
  try {
    for await (const part of new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))) {
      out.set(part, length);
      length += part.byteLength;
    }
  } catch (error) {
    throw new ModelError('bad-file', `${key} cannot be inflated.`, 'Copy the dataset again.', {
      cause: error,
    });
  }
  return out.slice(0, length);
}

async function frameOf(
  example: Example,
  { index, length }: EpisodeInfo,
  { mapping, cameras, turned }: RldsReading,
  camera: string,
  first: number,
  step: number,
): Promise<FrameImage> {
  const feature = mapping.cameras.find(({ name }) => name === camera);
  const info = cameras.find(({ name }) => name === camera);
  if (!feature || !info || !(Number.isInteger(step) && step >= 0 && step < length)) {
    throw new ModelError(
      'bad-input',
      `Frame ${step} of camera "${camera}" was asked for; episode ${index} has ${length} steps of ` +
        `${cameras.map(({ name }) => name).join(', ')}.`,
    );
  }
  const bytes = await example.bytes(feature.key, first + step);
  // A camera that was not there: upstream makes it black (obs_transforms.py, decode_and_resize).
  if (bytes.byteLength === 0) return black(info);
  const what = `${camera} at step ${step} of episode ${index}`;
  const image = decodeTensorFlowJpeg(bytes, what) ?? (await decodeImage(bytes, what));
  return turned === 180 ? turnedImage(image) : image;
}

function black({ width, height }: CameraInfo): FrameImage {
  const data = new Uint8ClampedArray(width * height * 4);
  new Uint32Array(data.buffer).fill(0xff000000);
  return { width, height, data };
}
