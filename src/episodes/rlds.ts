/** RLDS episodes in TFDS folders: what OpenVLA is trained on. */
import type { Folder } from '../io/folder.ts';
import { subfolder } from '../io/paths.ts';
import { ModelError } from '../base/errors.ts';
import type { CameraInfo, Dataset, EpisodeInfo, ListingProgress } from './dataset.ts';
import type { FeatureMapping, OpenOptions } from './reading.ts';
import { actionNames, stateNames } from './dimension-names.ts';
import { encodedSize } from './encoded-size.ts';
import { inOrder } from './in-order.ts';
import { Example } from './rlds-example.ts';
import { readFeatures, readInfo, type RldsFeature, type RldsInfo } from './rlds-features.ts';
import {
  inPieces,
  instructionsOf,
  openEpisode,
  stepsOf,
  type RldsReading,
  type StoredEpisode,
} from './rlds-episode.ts';
import { standardisationOf } from './rlds-standardise.ts';
import { indexRecords, recordAt } from './rlds-tfrecord.ts';

/** Rate where none is known: TFDS stores none. */
const USUAL_RATE = 10;
const MOST_VALUES = 4096;
/** A damaged file may claim any size. */
const MOST_PIXELS = 2 ** 26;
/** Shards that are read at a time: hosts answer several requests as fast as one. */
const AT_A_TIME = 6;
/**
 * In sets up to this size the checksum of an episode is looked at when it is opened; in larger ones with its first frame, as what a policy
 * is trained on has frames: else all pictures would have to be read for the statistics of the numbers.
 */
const CHECKED_AT_ONCE = 2 ** 30;
const SIGN = 'features.json';
const VERSION = /^\d+\.\d+\.\d+$/;

/**
 * The folder of a version (`1.0.0`), or of the newest of several, under the name of the dataset.
 * @throws ModelError `bad-input` where several datasets lie side by side
 */
export async function findRlds(folder: Folder): Promise<Folder | null> {
  const paths = await folder.list();
  if (!paths) return (await isRlds(folder)) ? folder : null;
  const known = new Set(paths);
  const roots = paths.flatMap((path) => {
    const root = path.slice(0, -SIGN.length);
    return (path === SIGN || path.endsWith(`/${SIGN}`)) && known.has(`${root}dataset_info.json`)
      ? [root]
      : [];
  });
  if (roots.length === 0) return null;
  const least = Math.min(...roots.map((root) => partsOf(root).length));
  const shallowest = roots.filter((root) => partsOf(root).length === least);
  const datasets = new Set(
    shallowest.map((root) =>
      VERSION.test(partsOf(root).at(-1) ?? '') ? partsOf(root).slice(0, -1).join('/') : root,
    ),
  );
  if (datasets.size > 1) {
    throw new ModelError(
      'bad-input',
      `${folder.name} holds ${datasets.size} datasets: ${[...datasets].slice(0, 4).join(', ')}.`,
      'Choose one of them.',
    );
  }
  // As tensorflow-datasets does: the newest version.
  const newest = shallowest.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)!;
  const named = partsOf(newest)
    .filter((part) => !VERSION.test(part))
    .at(-1);
  return { ...subfolder(folder, newest), name: named ?? folder.name };
}

const partsOf = (root: string) => root.split('/').slice(0, -1);

async function isRlds(folder: Folder): Promise<boolean> {
  return (await folder.has(SIGN)) && (await folder.has('dataset_info.json'));
}

/** @throws ModelError `bad-file`, `unsupported`, `bad-input` for a mapping that does not fit, `download-failed` */
export async function openRlds(
  folder: Folder,
  options: OpenOptions = {},
  onProgress: ListingProgress = () => undefined,
  { checkedAtOnce = CHECKED_AT_ONCE } = {},
): Promise<Dataset> {
  const info = await readInfo(folder);
  const features = await readFeatures(folder);
  const shards = info.splits.flatMap((split) => split.shards).filter(({ records }) => records > 0);
  if (shards.length === 0) {
    throw new ModelError('bad-file', `${folder.name} has no episodes.`, 'Choose a dataset with shards.');
  }
  const files = await inOrder(shards, AT_A_TIME, ({ path }) => folder.open(path));
  const indexed = async (shard: number): Promise<StoredEpisode[]> => {
    const file = files[shard]!;
    const places = await indexRecords(file, shards[shard]!.records);
    return places.map((place) => ({ file, place }));
  };
  const firstShard = await indexed(0);
  const byKey = new Map(features.map((feature) => [feature.key.replace(/^steps\//, ''), feature]));
  const standard = standardisationOf([folder.name, info.name], (key) => sizeOf(byKey.get(key)));
  const applied = standard !== null && (options.standardise ?? options.mapping === undefined);
  const mapping = mappingOf(features, applied ? standard : null, options.mapping);
  const reading: RldsReading = {
    features: byKey,
    mapping: byName(features, mapping),
    standard: applied ? standard : null,
    cameras: await camerasOf(firstShard[0]!, features, mapping.cameras),
    turned: options.turned ?? 0,
    instruction: instructionKey(features),
    checkedAtOnce: files.reduce((sum, { byteLength }) => sum + byteLength, 0) <= checkedAtOnce,
  };
  const widths = (name: string) => sizeOf(features.find((feature) => feature.name === name)) ?? 0;
  const total = shards.reduce((sum, { records }) => sum + records, 0);
  let done = 0;
  const listed = await inOrder(shards, AT_A_TIME, async (_, shard, failed) => {
    const described: { readonly of: StoredEpisode; readonly info: Omit<EpisodeInfo, 'index'> }[] = [];
    for (const of of shard === 0 ? firstShard : await indexed(shard)) {
      if (failed()) break;
      described.push({ of, info: await describe(of, reading) });
      onProgress(++done, total);
    }
    return described;
  });
  const stored = listed.flat().map(({ of }) => of);
  const episodes = listed.flat().map((one, index): EpisodeInfo => ({ index, ...one.info }));
  const fps = standard?.fps ?? USUAL_RATE;
  return {
    name: VERSION.test(folder.name) ? info.name : folder.name,
    format: formatOf(info, fps),
    fps,
    actionNames: applied ? [...standard.actionNames] : actionNames(mapping.action, widths(mapping.action)),
    stateNames: applied
      ? [...standard.stateNames]
      : mapping.state.length > 0
        ? mapping.state.flatMap((name) => stateNames(name, widths(name)))
        : null,
    cameras: reading.cameras,
    reading: {
      features: features.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
      mapping,
      standardisation: standard && { name: standard.name, applied, does: standard.does },
      turned: reading.turned,
    },
    episodes,
    open: async (index) => {
      const episode = stored[index];
      if (episode) return openEpisode(episode, episodes[index]!, reading);
      throw new ModelError('bad-input', `There is no episode ${index}; there are ${stored.length}.`);
    },
    close: async () => undefined,
  };
}

function formatOf({ version, splits }: RldsInfo, fps: number): string {
  const parts = splits.map(
    ({ name, shards }) => `${name} ${shards.reduce((sum, { records }) => sum + records, 0)}`,
  );
  return `RLDS (TFDS ${version}; ${parts.join(', ')}; no rate in the files, ${fps} Hz assumed)`;
}

/** Values a step; null for what is not a vector of known size. */
function sizeOf(feature: RldsFeature | undefined): number | null {
  if (feature?.kind !== 'tensor' || feature.shape.length > 1) return null;
  const size = feature.shape[0] ?? 1;
  return size > 0 && size <= MOST_VALUES ? size : null;
}

function mappingOf(
  features: readonly RldsFeature[],
  standard: ReturnType<typeof standardisationOf>,
  wanted: FeatureMapping | undefined,
): FeatureMapping {
  const nameOf = (key: string) => features.find((feature) => feature.key === `steps/${key}`)?.name ?? key;
  const cameras = features.filter(isCamera).map(({ name }) => name);
  const has = (name: string) => sizeOf(features.find((feature) => feature.name === name)) !== null;
  if (standard) {
    const theirs = standard.cameras.filter((name) => cameras.includes(name));
    return {
      action: nameOf(standard.action),
      state: standard.state.map(nameOf),
      cameras: wanted?.cameras ?? (theirs.length > 0 ? theirs : cameras),
    };
  }
  if (wanted) return wanted;
  const states = [['state'], ['proprio'], ['cartesian_position', 'gripper_position'], ['qpos']];
  return { action: 'action', state: states.find((names) => names.every(has)) ?? [], cameras };
}

const isVector = (feature: RldsFeature) => sizeOf(feature) !== null;

/** @throws ModelError `bad-input` where the dataset has not what is wanted */
function byName(features: readonly RldsFeature[], mapping: FeatureMapping): RldsReading['mapping'] {
  const find = (name: string, fits: (feature: RldsFeature) => boolean, what: string): RldsFeature => {
    const found = features.find((feature) => feature.name === name && feature.key.startsWith('steps/'));
    if (found && fits(found)) return found;
    throw new ModelError(
      'bad-input',
      `The dataset has no feature "${name}" that is ${what}; it has ${features.map((one) => one.name).join(', ')}.`,
      'Choose another feature.',
    );
  };
  return {
    action: find(mapping.action, isVector, 'a vector of numbers'),
    state: mapping.state.map((name) => find(name, isVector, 'a vector of numbers')),
    cameras: mapping.cameras.map((name) => find(name, isCamera, 'a camera')),
  };
}

/** Depth maps have one channel, or 16 bits. */
function isCamera({ kind, dtype, shape, key }: RldsFeature): boolean {
  return kind === 'image' && dtype === 'uint8' && (shape[2] ?? -1) !== 1 && key.startsWith('steps/');
}

async function camerasOf(
  { file, place }: StoredEpisode,
  features: readonly RldsFeature[],
  names: readonly string[],
): Promise<CameraInfo[]> {
  const cameras: CameraInfo[] = [];
  for (const name of names) {
    const feature = features.find((one) => one.name === name && isCamera(one));
    const [height = -1, width = -1] = feature?.shape ?? [];
    if (!feature) continue;
    if (height > 0 && width > 0) {
      if (height * width > MOST_PIXELS) {
        throw new ModelError('bad-file', `features.json: "${name}" claims ${width} × ${height} pixels.`);
      }
      cameras.push({ name, width, height });
      continue;
    }
    const example = await Example.index(recordAt(file, place));
    const size = encodedSize(await example.bytes(feature.key, 0));
    if (!size) throw new ModelError('bad-file', `${file.name}: ${feature.key} does not hold JPEGs or PNGs.`);
    cameras.push({ name, ...size });
  }
  return cameras;
}

/** Of a step, or of the whole episode. */
const INSTRUCTIONS = [
  'steps/language_instruction',
  'steps/observation/natural_language_instruction',
  'steps/observation/language_instruction',
  'language_instruction',
  'episode_metadata/language_instruction',
];

function instructionKey(features: readonly RldsFeature[]): string | null {
  const texts = features.filter(({ kind }) => kind === 'text').map(({ key }) => key);
  return INSTRUCTIONS.find((key) => texts.includes(key)) ?? null;
}

/** Length and tasks, from a few ranges of the record: no picture is read. */
async function describe(
  { file, place }: StoredEpisode,
  reading: RldsReading,
): Promise<Omit<EpisodeInfo, 'index'>> {
  const example = await Example.index(inPieces(file, place));
  const steps = await stepsOf(example, reading);
  const { first, length } = reading.standard
    ? kept(steps, reading.standard.skipped)
    : { first: 0, length: steps };
  const instructions = (await instructionsOf(example, reading, steps)).slice(first, first + length);
  const tasks = [...new Set(instructions)].filter((task) => task !== '');
  return { length, instruction: tasks[0] ?? '', ...(tasks.length > 1 ? { tasks } : {}) };
}

function kept(steps: number, skipped: { first: number; last: number }): { first: number; length: number } {
  return { first: skipped.first, length: Math.max(0, steps - skipped.first - skipped.last) };
}
