/** What HDF5 files of demonstrations hold: LIBERO's and robomimic's `data/demo_N`, ACT's and ALOHA's one episode a file. */
import { ModelError } from '../base/errors.ts';
import type { FeatureMapping } from './reading.ts';
import type { Hdf5Dataset, Hdf5File } from './hdf5-file.ts';
import { BYTES } from './hdf5-types.ts';

/** One episode of one file. */
export interface Hdf5Recording {
  readonly file: string;
  readonly group: string;
  readonly length: number;
  readonly instruction: string;
  /** By name: `actions`, `ee_states`, `agentview_rgb`. */
  readonly features: ReadonlyMap<string, Hdf5Dataset>;
}

export interface Hdf5Layout {
  readonly kind: 'LIBERO' | 'robomimic' | 'ACT/ALOHA';
  readonly fps: number;
  /** False where `fps` is the usual rate of such files. */
  readonly rateRecorded: boolean;
  /** LIBERO's pictures have their first row at the bottom where robosuite's OpenGL convention was kept. */
  readonly upsideDown: boolean;
  readonly recordings: readonly Hdf5Recording[];
}

/** LIBERO's and robosuite's control_freq. */
const LIBERO_RATE = 20;
/** ACT's DT is 0.02 s (constants.py); the files do not say. */
const ACT_RATE = 50;
/** A damaged file may list anything. */
const MOST_EPISODES = 100_000;

/** @throws ModelError `bad-file` for a file of another layout, or one that contradicts itself */
export async function layoutOf(file: Hdf5File): Promise<Hdf5Layout> {
  const top = await file.names('/');
  if (top.includes('data')) return demosOf(file);
  if (top.includes('action') && top.includes('observations')) return actOf(file);
  throw new ModelError(
    'bad-file',
    `${file.name} is an HDF5 file of another layout: it holds ${top.slice(0, 8).join(', ') || 'nothing'}.`,
    'Files of LIBERO and robomimic (data/demo_0/actions) and of ACT and ALOHA (action, observations) are read.',
  );
}

async function demosOf(file: Hdf5File): Promise<Hdf5Layout> {
  const demos = (await file.names('/data')).filter((name) => /^demo_?\d+$/.test(name)).toSorted(byNumber);
  if (demos.length === 0 || demos.length > MOST_EPISODES) {
    throw wrong(file.name, `data holds ${demos.length} groups named demo_0, demo_1, …`);
  }
  const problem = await jsonAttribute(file, 'problem_info');
  const environment = await jsonAttribute(file, 'env_args');
  const told = textOf(problem?.['language_instruction']);
  const instruction = told || instructionOfName(file.name);
  const recordings: Hdf5Recording[] = [];
  for (const demo of demos) {
    const group = `/data/${demo}`;
    const features = await featuresIn(file, [`${group}/obs`, group]);
    const length = lengthOf(features, 'actions', file.name, group);
    const samples = await file.attribute(group, 'num_samples');
    if (typeof samples === 'number' && samples !== length) {
      throw wrong(file.name, `${group} has ${length} actions, its num_samples says ${samples}`);
    }
    const own = textOf((await jsonAttribute(file, 'ep_meta', group))?.['lang']);
    recordings.push({ file: file.name, group, length, instruction: own || instruction, features });
  }
  const total = await file.attribute('/data', 'total');
  const steps = recordings.reduce((sum, { length }) => sum + length, 0);
  const count = await file.attribute('/data', 'num_demos');
  if (typeof total === 'number' && total !== steps && count === demos.length) {
    throw wrong(file.name, `its demonstrations have ${steps} steps, "total" says ${total}`);
  }
  const settings = environment?.['env_kwargs'];
  const rate = isRecord(settings) ? settings['control_freq'] : null;
  const recorded = typeof rate === 'number' && rate >= 0.1 && rate <= 1000;
  const convention = await file.attribute('/data', 'macros_image_convention');
  const bddl = await file.attribute('/data', 'bddl_file_name');
  return {
    kind: problem || recordings[0]!.features.has('ee_states') ? 'LIBERO' : 'robomimic',
    fps: recorded ? rate : LIBERO_RATE,
    rateRecorded: recorded,
    // Files written by LIBERO itself say so; those that openvla-oft regenerated, or others made, do not.
    upsideDown: convention === 'opengl' || (convention === null && bddl !== null),
    recordings,
  };
}

async function actOf(file: Hdf5File): Promise<Hdf5Layout> {
  const features = await featuresIn(file, ['/observations/images', '/observations', '/']);
  const length = lengthOf(features, 'action', file.name, '/');
  let instruction = '';
  for (const name of ['language_instruction', 'instruction', 'task', 'language_raw']) {
    const dataset = features.get(name);
    instruction ||= textOf(await file.attribute('/', name));
    instruction ||= textOf(dataset && (await file.text(dataset)));
  }
  const recording = { file: file.name, group: '/', length, instruction, features };
  return {
    kind: 'ACT/ALOHA',
    fps: ACT_RATE,
    rateRecorded: false,
    upsideDown: false,
    recordings: [recording],
  };
}

/** Datasets of several groups by their own names; the first group that has a name keeps it. */
async function featuresIn(file: Hdf5File, groups: readonly string[]): Promise<Map<string, Hdf5Dataset>> {
  const features = new Map<string, Hdf5Dataset>();
  for (const group of groups) {
    for (const name of await file.names(group)) {
      const path = group === '/' ? `/${name}` : `${group}/${name}`;
      const dataset = await file.dataset(path);
      if (dataset && !features.has(name)) features.set(name, dataset);
    }
  }
  return features;
}

function lengthOf(
  features: ReadonlyMap<string, Hdf5Dataset>,
  action: string,
  file: string,
  group: string,
): number {
  const dataset = features.get(action);
  if (dataset?.shape.length === 2) return dataset.shape[0]!;
  throw wrong(file, `${group} has no ${action} of the form [steps, values]`);
}

/** What is used where nothing else is chosen. */
export function guessMapping({ kind, recordings: [first] }: Hdf5Layout): FeatureMapping {
  const features = first!.features;
  const has = (...names: string[]) => names.every((name) => features.has(name));
  const cameras = [...features].flatMap(([name, dataset]) => (isCamera(dataset) ? [name] : []));
  if (kind === 'ACT/ALOHA') return { action: 'action', state: has('qpos') ? ['qpos'] : [], cameras };
  const states = [
    ['ee_states', 'gripper_states'],
    ['ee_pos', 'ee_ori', 'gripper_states'],
    ['robot0_eef_pos', 'robot0_eef_quat', 'robot0_gripper_qpos'],
  ];
  return { action: 'actions', state: states.find((names) => has(...names)) ?? [], cameras };
}

/** [steps, height, width, 3] as it is, or encoded. */
export function isCamera(dataset: Hdf5Dataset): boolean {
  const { shape, dtype } = dataset;
  return (dtype === 'uint8' && shape.length === 4 && shape[3] === 3) || isEncoded(dataset);
}

/** ACT's `compress`: each row is a JPEG, padded to the longest. Others keep lists of JPEGs, as texts of fixed length or as bytes. */
export function isEncoded({ path, shape, dtype }: Hdf5Dataset): boolean {
  if (!path.includes('/images/')) return false;
  return shape.length === 2 ? dtype === 'uint8' : isList({ shape, dtype });
}

/** Whether a step is an element rather than a row. */
export function isList({ shape, dtype }: Pick<Hdf5Dataset, 'shape' | 'dtype'>): boolean {
  return shape.length === 1 && (dtype === 'string' || dtype === BYTES);
}

/** LIBERO names its files after their tasks (libero/benchmark/__init__.py, grab_language_from_filename). */
function instructionOfName(name: string): string {
  const task = /([^/]+)_demo\.h(?:df)?5$/i.exec(name)?.[1]?.replace(/^[A-Z_]*SCENE\d+_/, '') ?? '';
  return task.includes('_') ? task.split('_').join(' ').trim() : '';
}

/** LIBERO reads it as `"".join(…)`: some files hold a list. */
function textOf(value: unknown): string {
  const text = Array.isArray(value) ? value.filter((part) => typeof part === 'string').join('') : value;
  return typeof text === 'string' ? text.trim().replace(/^"(.*)"$/, '$1') : '';
}

/** LIBERO's and robomimic's settings are of all of a file, RoboCasa's `ep_meta` of an episode. */
async function jsonAttribute(
  file: Hdf5File,
  name: string,
  group = '/data',
): Promise<Record<string, unknown> | null> {
  const text = await file.attribute(group, name);
  if (typeof text !== 'string') return null;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function wrong(file: string, what: string): ModelError {
  return new ModelError('bad-file', `${file}: ${what}.`, 'The file is damaged or incomplete; copy it again.');
}

/** `demo_2` before `demo_10`, `episode_2.hdf5` before `episode_10.hdf5`. */
export function byNumber(a: string, b: string): number {
  return NATURAL.compare(a, b);
}

const NATURAL = new Intl.Collator('en', { numeric: true });
