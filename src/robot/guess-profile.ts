/** A robot profile from demonstrations: what can be told from names and numbers, and how sure that is. */
import type { Dataset } from '../episodes/dataset.ts';
import type { ActionKind } from '../episodes/quality/action-kinds.ts';
import type { FieldStatistics } from '../episodes/statistics.ts';
import type { ThinnedAs } from '../episodes/thinned-dataset.ts';
import { ModelError } from '../base/errors.ts';
import type { RobotProfile } from '../model/policy/robot-profiles.ts';
import { guessUnit, isGripper, type GuessedUnit } from './guess-unit.ts';

export interface GuessedDimension extends GuessedUnit {
  readonly name: string;
  readonly isGripper: boolean;
  /** Of an action: a target, a difference, or not to be told from the numbers. */
  readonly kind: 'absolute' | 'delta' | 'unclear';
}

export interface GuessedProfile {
  readonly profile: RobotProfile;
  readonly actions: readonly GuessedDimension[];
  readonly state: readonly GuessedDimension[] | null;
  /** The dataset's camera of each of the profile's images. */
  readonly cameras: readonly string[];
  /** How each dimension of the action is thinned to a lower rate. */
  readonly thinnedAs: readonly ThinnedAs[];
}

/** Openvla-oft's own robots run at 5 to 25 Hz; faster ones are thinned, as upstream thins ALOHA from 50 to 25 Hz. */
const HIGHEST_HZ = 30;
/** Upstream's chunks last 0.4 s (LIBERO) to 1 s (ALOHA, Bridge). */
const CHUNK_SECONDS = 0.8;
const SMALLEST_CHUNK = 4;
/** As many as upstream's largest profile takes. */
const MOST_CAMERAS = 3;
/** More action tokens than this in one pass make a sequence that no small machine computes. */
const MOST_ACTION_TOKENS = 1024;
const WRIST = /wrist|hand|gripper|eye_in/i;

/**
 * @param statistics of the dataset's actions and state
 * @param kinds what its actions mean, of `actionKinds`
 * @throws ModelError `bad-input` for demonstrations that no policy can be taught: no camera, no action, no step
 */
export function guessProfile(
  dataset: Dataset,
  statistics: { readonly action: FieldStatistics; readonly proprio: FieldStatistics | null },
  kinds: readonly ActionKind[],
): GuessedProfile {
  requireTeachable(dataset);
  const count = (kind: ActionKind['kind']) => kinds.filter((one) => one.kind === kind).length;
  // A few differences among dimensions that tell nothing are chance.
  const chance = count('absolute') === 0 && count('delta') < count('unclear');
  const actions = dataset.actionNames.map((name, i): GuessedDimension => {
    const found = kinds.find(({ action }) => action === name)?.kind ?? 'unclear';
    const kind = chance && found === 'delta' ? 'unclear' : found;
    const range = rangeOf(statistics.action, i);
    return { name, isGripper: isGripper(name), kind, ...guessUnit(name, range, kind) };
  });
  const { proprio } = statistics;
  const state =
    dataset.stateNames && proprio
      ? dataset.stateNames.map((name, i): GuessedDimension => ({
          name,
          isGripper: isGripper(name),
          kind: 'absolute',
          ...guessUnit(name, rangeOf(proprio, i), 'absolute'),
        }))
      : null;
  const controlHz = suggestedHz(dataset.fps);
  const longest = Math.max(
    ...dataset.episodes.map(({ length }) => Math.floor((length * controlHz) / dataset.fps)),
  );
  const cameras = camerasInOrder(dataset);
  return {
    profile: {
      name: dataset.name,
      chunkSize: suggestedChunk(controlHz, dataset.actionNames.length, longest),
      actions: actions.map(({ name, unit }) => ({ name, unit })),
      state: state && state.map(({ name, unit }) => ({ name, unit })),
      // Joints have limits that they reach; differences have outliers.
      normalization: actions.some(({ kind }) => kind === 'delta') ? 'bounds_q99' : 'bounds',
      images: cameras.map((name, i) => ({ name: slotName(name, i), label: labelOf(name) })),
      controlHz,
    },
    actions,
    state,
    cameras,
    thinnedAs: actions.map((one) => (one.kind === 'delta' && !one.isGripper ? 'sum' : 'last')),
  };
}

/** The highest rate that divides the recorded one and is not too fast for a policy. */
export function suggestedHz(fps: number): number {
  if (fps <= HIGHEST_HZ) return fps;
  const parts = Math.ceil(fps / HIGHEST_HZ);
  return fps / parts;
}

/** About 0.8 s, within what every episode and the sequence can hold. */
export function suggestedChunk(hz: number, actionDim: number, longestEpisode: number): number {
  const wanted = Math.max(SMALLEST_CHUNK, Math.round(hz * CHUNK_SECONDS));
  return Math.max(1, Math.min(wanted, longestEpisode, Math.floor(MOST_ACTION_TOKENS / actionDim)));
}

function requireTeachable({ name, cameras, actionNames, episodes }: Dataset): void {
  const lacking =
    cameras.length === 0
      ? ['has no camera', 'A policy acts on pictures: record with one camera at least.']
      : actionNames.length === 0
        ? ['has no actions', 'Choose the feature that holds them.']
        : episodes.every(({ length }) => length === 0)
          ? ['has no steps', 'Record some demonstrations.']
          : null;
  if (lacking) throw new ModelError('bad-input', `${name} ${lacking[0]}.`, lacking[1]);
}

function rangeOf({ min, max }: FieldStatistics, i: number) {
  return { min: min[i]!, max: max[i]! };
}

/** The scene first, then wrist cameras, as upstream's policies take them. */
function camerasInOrder({ cameras }: Dataset): string[] {
  const names = cameras.map(({ name }) => name);
  const scene = names.filter((name) => !WRIST.test(name));
  const wrists = names.filter((name) => WRIST.test(name));
  return [...scene.slice(0, Math.max(1, MOST_CAMERAS - wrists.length)), ...wrists].slice(0, MOST_CAMERAS);
}

function slotName(camera: string, index: number): string {
  return index === 0 ? 'primary' : shortName(camera);
}

function shortName(camera: string): string {
  return camera.replace(/^observation\.(images?\.)?/, '');
}

function labelOf(camera: string): string {
  const words = shortName(camera)
    .replaceAll(/[_.-]+/g, ' ')
    .trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
