/** Which recorded feature is which input of a policy: guessed by name, or as the user chose. */
import { ModelError } from '../../base/errors.ts';
import type { CameraInfo } from '../dataset.ts';
import type { FeatureMapping } from '../reading.ts';
import { INFO_PATH, type Feature, type Info } from './info.ts';

type Features = Info['features'];

/** Columns that LeRobot itself writes beside what was recorded. */
export const BOOKKEEPING = ['timestamp', 'frame_index', 'episode_index', 'index', 'task_index'] as const;

/** No robot has more joints; a shape that says so is damaged, and its names would take memory without end. */
const MOST_VALUES = 4096;

const NUMBERS = /^(float|int|uint)\d+$|^bool$/;

/** Names in other datasets: openpi's first, then those of other converters. LeRobot's own lead. */
const ACTIONS = ['action', 'actions'];
const LIKE_ACTIONS = /(^|[./])actions?$|(^|[./_])(command|control|target)s?$/i;
const STATES = ['observation.state', 'state', 'observation.states', 'states'];
const LIKE_STATES = /(^|[./])(states?|proprio|proprioception|qpos|joint_positions?)$/i;

/** @throws ModelError `bad-file` where nothing looks like actions: they are what a policy is trained on */
export function guessMapping(features: Features): FeatureMapping {
  const vectors = [...features.keys()].filter((name) => isVector(features, name));
  const find = (names: readonly string[], like: RegExp) =>
    names.find((name) => vectors.includes(name)) ?? vectors.find((name) => like.test(name));
  const action = find(ACTIONS, LIKE_ACTIONS);
  if (action === undefined) {
    throw new ModelError(
      'bad-file',
      `${INFO_PATH} has no feature "action" that is a vector of numbers; it has ${listed(features)}.`,
      'A policy is trained on recorded actions: record them under this name, or rename the feature.',
    );
  }
  const state = find(STATES, LIKE_STATES);
  return {
    action,
    state: state === undefined || state === action ? [] : [state],
    cameras: [...features].flatMap(([name, feature]) => (isCamera(name, feature) ? [name] : [])),
  };
}

/** @throws ModelError `bad-input` for a feature that the dataset does not have, or that cannot be what it was chosen for */
export function checkMapping(features: Features, mapping: FeatureMapping): FeatureMapping {
  for (const name of [mapping.action, ...mapping.state]) {
    if (!isVector(features, name)) throw unfit(features, name, 'a vector of numbers');
  }
  for (const name of mapping.cameras) {
    const feature = features.get(name);
    if (!feature || !isCamera(name, feature)) throw unfit(features, name, 'a camera');
  }
  const twice = [...mapping.state, ...mapping.cameras].find((name, i, all) => all.indexOf(name) !== i);
  if (twice === undefined) return mapping;
  throw new ModelError('bad-input', `The feature "${twice}" was chosen twice.`, 'Choose each feature once.');
}

function unfit(features: Features, name: string, wanted: string): ModelError {
  const feature = features.get(name);
  return new ModelError(
    'bad-input',
    feature
      ? `The feature "${name}" holds ${feature.dtype} of shape [${feature.shape.join(', ')}]; ${wanted} is needed.`
      : `The dataset has no feature "${name}"; it has ${listed(features)}.`,
    'Choose another feature.',
  );
}

function listed(features: Features): string {
  return [...features.keys()].slice(0, 30).join(', ') || 'none';
}

/** Numbers of one step in a row, few enough to be a robot's. */
export function isVector(features: Features, name: string): boolean {
  const feature = features.get(name);
  if (!feature || !NUMBERS.test(feature.dtype)) return false;
  if ((BOOKKEEPING as readonly string[]).includes(name)) return false;
  const [size] = feature.shape;
  return feature.shape.length === 1 && size !== undefined && size > 0 && size <= MOST_VALUES;
}

/** Pictures that a policy sees. A depth map is stored as pictures, too, but holds distances. */
export function isCamera(name: string, feature: Feature): boolean {
  if (feature.dtype !== 'video' && feature.dtype !== 'image') return false;
  const depth = [feature.info, feature.video_info].some(
    (info) => said(info, 'is_depth_map') || said(info, 'video.is_depth_map'),
  );
  const { channels } = sizesOf(feature);
  return !depth && !(channels === 1 && /depth/i.test(name)) && feature.shape.length === 3;
}

function said(info: unknown, key: string): boolean {
  return typeof info === 'object' && info !== null && (info as Record<string, unknown>)[key] === true;
}

/** Height, width, channels; older recorders wrote channels first and said so in `names`, or nowhere. */
function sizesOf({ shape, names }: Feature): { height: number; width: number; channels: number } {
  const order = Array.isArray(names) ? names.map((name) => (typeof name === 'string' ? name : '')) : [];
  const named = (label: RegExp) => order.findIndex((name) => label.test(name));
  const [height, width, channels] = [named(/^height$/i), named(/^width$/i), named(/^channels?$/i)];
  const at = (index: number) => shape[index] ?? 0;
  if (height >= 0 && width >= 0) return { height: at(height), width: at(width), channels: at(channels) };
  const first = at(0) <= 4 && at(2) > 4;
  return first
    ? { height: at(1), width: at(2), channels: at(0) }
    : { height: at(0), width: at(1), channels: at(2) };
}

export function cameraInfo(name: string, feature: Feature): CameraInfo {
  const { height, width } = sizesOf(feature);
  return { name, height, width };
}

/** Names come as a list, or as lists under some heading such as "motors". */
export function namesOf({ shape, names }: Feature, fallback: string): string[] {
  const size = shape[0] ?? 0;
  const lists = Array.isArray(names)
    ? names
    : names !== null && typeof names === 'object'
      ? Object.values(names as Record<string, unknown>)
      : [];
  const texts = lists.flat().filter((name): name is string => typeof name === 'string');
  if (texts.length === size) return texts;
  return Array.from({ length: size }, (_, i) => `${fallback} ${i}`);
}

/** Names of several features joined, each with its feature's name where they would be the same. */
export function joinedNames(features: Features, chosen: readonly string[], fallback: string): string[] {
  const lists = chosen.map((name) => namesOf(features.get(name)!, chosen.length > 1 ? name : fallback));
  const all = lists.flat();
  if (new Set(all).size === all.length) return all;
  return lists.flatMap((names, i) =>
    names.map((name) => (chosen.length > 1 ? `${chosen[i]} ${name}` : name)),
  );
}
