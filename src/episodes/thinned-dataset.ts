/** A dataset at a lower rate: what a policy of that rate would have seen and done. Nothing is copied. */
import { ModelError } from '../base/errors.ts';
import type { Dataset, Episode } from './dataset.ts';

/**
 * What one dimension of the action becomes when several steps are one: a target is the last one's, since that is where the robot is to
 * be by then; differences add up; a gripper command is the last one's, whatever the other dimensions are.
 */
export type ThinnedAs = 'last' | 'sum';

/** Rates closer than this are the same. */
const SAME_RATE = 1e-6;

/** What thinning does, for the page. */
export interface Thinning {
  readonly from: number;
  readonly to: number;
  /** Recorded steps that become one, on average. */
  readonly steps: number;
  readonly before: number;
  readonly after: number;
  /** Steps at the ends of episodes that do not fill a whole one. */
  readonly dropped: number;
}

/**
 * @param hz the rate wanted; the dataset's own or lower, not necessarily a divisor
 * @param as one a dimension of the action
 * @throws ModelError `bad-input` for a rate that is higher, or not a number
 */
export function thinnedDataset(dataset: Dataset, hz: number, as: readonly ThinnedAs[]): Dataset {
  const ratio = ratioOf(dataset, hz);
  if (as.length !== dataset.actionNames.length) {
    throw new ModelError(
      'bad-input',
      `How to thin was given for ${as.length} dimensions; the actions have ${dataset.actionNames.length}.`,
    );
  }
  if (ratio === 1) return dataset;
  return {
    ...dataset,
    fps: hz,
    episodes: dataset.episodes.map((info) => ({ ...info, length: thinnedLength(info.length, ratio) })),
    open: async (index) => thinnedEpisode(await dataset.open(index), ratio, as),
    close: () => dataset.close(),
  };
}

/** @throws ModelError `bad-input` for a rate that is higher, or not a number */
export function thinning(dataset: Pick<Dataset, 'fps' | 'episodes'>, hz: number): Thinning {
  const ratio = ratioOf(dataset, hz);
  const before = dataset.episodes.reduce((sum, { length }) => sum + length, 0);
  const lengths = dataset.episodes.map(({ length }) => thinnedLength(length, ratio));
  const used = lengths.reduce((sum, length) => sum + startOf(length, ratio), 0);
  return {
    from: dataset.fps,
    to: hz,
    steps: ratio,
    before,
    after: lengths.reduce((sum, length) => sum + length, 0),
    dropped: before - used,
  };
}

function ratioOf({ fps }: Pick<Dataset, 'fps'>, hz: number): number {
  const ratio = fps / hz;
  if (Math.abs(ratio - 1) < SAME_RATE) return 1;
  if (hz > 0 && ratio > 1) return ratio;
  throw new ModelError(
    'bad-input',
    `The demonstrations have ${fps} steps per second; ${hz} were asked for.`,
    `Choose a rate above 0 and up to ${fps}: steps that were not recorded cannot be made up.`,
  );
}

/** The recorded step at which thinned step `step` begins. */
function startOf(step: number, ratio: number): number {
  return Math.round(step * ratio);
}

/** Whole steps only: half a difference is another action. */
function thinnedLength(length: number, ratio: number): number {
  let thinned = Math.floor(length / ratio) + 1;
  while (thinned > 0 && startOf(thinned, ratio) > length) thinned--;
  return thinned;
}

function thinnedEpisode(episode: Episode, ratio: number, as: readonly ThinnedAs[]): Episode {
  const length = thinnedLength(episode.length, ratio);
  const starts = Array.from({ length: length + 1 }, (_, step) => startOf(step, ratio));
  const kept = starts.slice(0, length);
  const { state, timestamps, instructions } = episode;
  return {
    ...episode,
    length,
    actions: thinnedActions(episode.actions, starts, as),
    state: state && thinnedState(state, state.length / Math.max(1, episode.length), kept),
    timestamps: timestamps && Float64Array.from(kept, (step) => timestamps[step]!),
    instructions: instructions && kept.map((step) => instructions[step]!),
    frame: (camera, step) => {
      const at = kept[step];
      if (at !== undefined) return episode.frame(camera, at);
      throw new ModelError(
        'bad-input',
        `Frame ${step} of camera "${camera}" was asked for; the thinned episode ${episode.index} has ${length} steps.`,
      );
    },
    close: () => episode.close(),
  };
}

/**
 * Recorded actions [steps · dim] from some step on, as `thinnedDataset` has them; what does not fill a whole step is left out.
 * @param ratio recorded steps that become one
 */
export function thinnedFrom(actions: Float32Array, ratio: number, as: readonly ThinnedAs[]): Float32Array {
  const length = thinnedLength(actions.length / as.length, ratio);
  const starts = Array.from({ length: length + 1 }, (_, step) => startOf(step, ratio));
  return thinnedActions(actions, starts, as);
}

/** @param starts recorded steps at which the thinned ones begin, and where the last one ends */
function thinnedActions(
  actions: Float32Array,
  starts: readonly number[],
  as: readonly ThinnedAs[],
): Float32Array {
  const dim = as.length;
  const out = new Float32Array((starts.length - 1) * dim);
  for (let step = 0; step + 1 < starts.length; step++) {
    const [from, to] = [starts[step]!, starts[step + 1]!];
    for (const [at, how] of as.entries()) {
      let value = actions[(to - 1) * dim + at]!;
      if (how === 'sum') {
        value = 0;
        for (let recorded = from; recorded < to; recorded++) value += actions[recorded * dim + at]!;
      }
      out[step * dim + at] = value;
    }
  }
  return out;
}

function thinnedState(state: Float32Array, dim: number, kept: readonly number[]): Float32Array {
  const out = new Float32Array(kept.length * dim);
  for (const [step, recorded] of kept.entries()) {
    out.set(state.subarray(recorded * dim, (recorded + 1) * dim), step * dim);
  }
  return out;
}
