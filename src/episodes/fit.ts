/** Whether a policy can be trained on a dataset. */
import type { Dataset } from './dataset.ts';
import type { FieldStatistics } from './statistics.ts';

/** What the policy takes. */
export interface Wanted {
  readonly actions: readonly { readonly name: string }[];
  readonly state: readonly { readonly name: string }[] | null;
  readonly controlHz: number;
  readonly chunkSize: number;
  readonly images: readonly { readonly name: string; readonly label: string }[];
}

export interface FitNote {
  id:
    | 'actions'
    | 'state'
    | 'rate'
    | 'cameras'
    | 'episodes'
    | 'short'
    | 'samples'
    | 'not-finite'
    | 'constant'
    | 'instructions';
  found: string;
  needed: string;
  hint: string;
}

export interface Fit {
  /** Why it does not fit; empty when it does. */
  problems: FitNote[];
  warnings: FitNote[];
  /** Camera of each image slot, guessed by name, else by order. */
  cameras: string[];
}

/** A rate this far from the policy's makes its actions too large or too small. */
const RATE_TOLERANCE = 0.1;
const FEW_EPISODES = 5;
/** Of the steps; with fewer, most of what was recorded is never an answer's beginning. */
const FEW_SAMPLES = 0.2;

/** Training samples in episodes: one of every step that a whole chunk of actions follows. */
export function samplesIn(episodes: Dataset['episodes'], chunkSize: number): number {
  return episodes.reduce((sum, { length }) => sum + Math.max(0, length - chunkSize + 1), 0);
}

const listed = (names: readonly string[]): string => `${names.length} (${names.join(', ')})`;

/** @param numbers the dataset's statistics: they tell what never changes, and what is not a number */
export function checkFit(
  dataset: Dataset,
  wanted: Wanted,
  numbers: {
    readonly action: Pick<FieldStatistics, 'mean' | 'min' | 'max'>;
    readonly proprio: Pick<FieldStatistics, 'mean'>;
  },
): Fit {
  const problems: FitNote[] = [];
  const warnings: FitNote[] = [];
  if (dataset.actionNames.length !== wanted.actions.length) {
    problems.push({
      id: 'actions',
      found: `${listed(dataset.actionNames)} action values`,
      needed: listed(wanted.actions.map(({ name }) => name)),
      hint: 'Train them as a robot of its own, or record with the robot the policy is for.',
    });
  }
  if (wanted.state && dataset.stateNames?.length !== wanted.state.length) {
    problems.push({
      id: 'state',
      found: dataset.stateNames ? `${listed(dataset.stateNames)} state values` : 'no state',
      needed: listed(wanted.state.map(({ name }) => name)),
      hint: 'Record the robot’s state in this form, or train a robot without a state.',
    });
  }
  if (Math.abs(dataset.fps / wanted.controlHz - 1) > RATE_TOLERANCE) {
    problems.push({
      id: 'rate',
      found: `${dataset.fps} Hz`,
      needed: `${wanted.controlHz} Hz`,
      hint:
        dataset.fps < wanted.controlHz
          ? 'Choose a rate of the recording or lower: steps that were not recorded cannot be made up.'
          : 'Train them as a robot of its own, or thin the recording to the policy’s rate.',
    });
  }
  if (dataset.cameras.length < wanted.images.length) {
    problems.push({
      id: 'cameras',
      found: `${dataset.cameras.length} cameras (${dataset.cameras.map(({ name }) => name).join(', ') || 'none'})`,
      needed: `${wanted.images.length} (${wanted.images.map(({ label }) => label).join(', ')})`,
      hint: 'Train them as a robot of its own, with fewer images, or record with as many cameras.',
    });
  }
  const usable = dataset.episodes.filter(({ length }) => length >= wanted.chunkSize);
  if (usable.length === 0) {
    problems.push({
      id: 'short',
      found: `${dataset.episodes.length} episodes, the longest of ${Math.max(0, ...dataset.episodes.map(({ length }) => length))} steps`,
      needed: `at least one of ${wanted.chunkSize} steps, a chunk of actions`,
      hint: 'Choose a shorter chunk, where it can be chosen, or record longer episodes.',
    });
  } else if (usable.length < dataset.episodes.length) {
    warnings.push({
      id: 'short',
      found: `${dataset.episodes.length - usable.length} episodes shorter than a chunk of actions`,
      needed: `${wanted.chunkSize} steps or more`,
      hint: 'They are left out.',
    });
  }
  const steps = usable.reduce((sum, { length }) => sum + length, 0);
  const samples = samplesIn(usable, wanted.chunkSize);
  if (usable.length > 0 && samples < FEW_SAMPLES * steps) {
    warnings.push({
      id: 'samples',
      found: `${samples} training ${samples === 1 ? 'sample' : 'samples'} in ${steps} steps`,
      needed: `episodes several times as long as a chunk of ${wanted.chunkSize} actions`,
      hint: 'Choose a shorter chunk, where it can be chosen, or record longer episodes.',
    });
  }
  if (dataset.episodes.length < FEW_EPISODES) {
    warnings.push({
      id: 'episodes',
      found: `${dataset.episodes.length} episodes`,
      needed: `${FEW_EPISODES} or more`,
      hint: 'With so few, the policy learns these recordings rather than the task. Record some more.',
    });
  }
  const unknown = [
    ...notFinite('action', dataset.actionNames, numbers.action.mean),
    ...(wanted.state && dataset.stateNames
      ? notFinite('state', dataset.stateNames, numbers.proprio.mean)
      : []),
  ];
  if (unknown.length > 0) {
    problems.push({
      id: 'not-finite',
      found: `NaN or infinite values: ${unknown.join(', ')}`,
      needed: 'numbers',
      hint: 'One such value spoils a whole training run: leave the episodes out that hold them, or trim them.',
    });
  }
  const constant = dataset.actionNames.filter((_, i) => numbers.action.min[i] === numbers.action.max[i]);
  if (constant.length > 0) {
    warnings.push({
      id: 'constant',
      found: `actions that never change: ${constant.join(', ')}`,
      needed: 'some movement in every dimension the task needs',
      hint: 'They are trained as 0, as upstream does.',
    });
  }
  const silent = dataset.episodes.filter(({ instruction }) => instruction.trim() === '').length;
  if (silent > 0) {
    warnings.push({
      id: 'instructions',
      found: `${silent} episodes without an instruction`,
      needed: 'one sentence each',
      hint: 'The policy follows words: say in each episode what is done.',
    });
  }
  return { problems, warnings, cameras: guessCameras(dataset, wanted.images) };
}

/** A mean is a number where all values are. */
function notFinite(field: string, names: readonly string[], mean: readonly number[]): string[] {
  return names.filter((_, i) => !Number.isFinite(mean[i])).map((name) => `"${name}" of the ${field}`);
}

const WRIST = /wrist|hand|gripper|eye_in/i;

/** A slot takes the camera that carries its name; wrist slots a wrist camera; the rest go by order. */
function guessCameras(dataset: Dataset, slots: Wanted['images']): string[] {
  const free = dataset.cameras.map(({ name }) => name);
  const take = (fits: (name: string) => boolean): string | undefined => {
    const at = free.findIndex(fits);
    return at === -1 ? undefined : free.splice(at, 1)[0];
  };
  const chosen = slots.map(({ name }) => take((camera) => camera.toLowerCase().includes(name.toLowerCase())));
  const wrist = slots.map(
    ({ name }, i) => chosen[i] ?? (WRIST.test(name) ? take((c) => WRIST.test(c)) : undefined),
  );
  return wrist.map((camera) => camera ?? take((c) => !WRIST.test(c)) ?? take(() => true) ?? '');
}
