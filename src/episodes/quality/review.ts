/** What a person should know about demonstrations before training on them. */
import type { Dataset } from '../dataset.ts';
import { fewEpisodes, tooShort } from './amount.ts';
import { episodesLookedAt, frozenCameras } from './cameras.ts';
import { fieldsOf, type Fields, type Motion, type Recording } from './columns.ts';
import type { Finding } from './finding.ts';
import { idleStretches, jumps } from './motion.ts';
import { notFinite } from './not-finite.ts';
import { rangeFindings, type DimensionRange } from './ranges.ts';
import { otherRate, otherSpeeds } from './rates.ts';
import { checkSignal } from './signal.ts';

export interface ReviewOptions {
  readonly chunkSize: number;
  /** Ranges by position, as the policy takes its values; `state` is null where it takes none. */
  readonly policy?: {
    readonly actions: readonly DimensionRange[];
    readonly state: readonly DimensionRange[] | null;
  };
  /** Hz of the policy's data. */
  readonly fps?: number;
  readonly signal?: AbortSignal;
  /** Counts episodes read, then episodes whose frames were looked at. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Reads every episode's actions and states, and some frames of some episodes. What is about the whole dataset comes first.
 * @throws ModelError `cancelled`, or what reading an episode throws
 */
export async function reviewDataset(dataset: Dataset, options: ReviewOptions): Promise<Finding[]> {
  const { episodes, fps } = dataset;
  const looked = episodesLookedAt(episodes);
  const total = episodes.length + looked.length;
  let done = 0;

  const motions: Motion[] = [];
  for (const { index } of episodes) {
    checkSignal(options.signal);
    const episode = await dataset.open(index);
    motions.push(episode);
    episode.close();
    options.onProgress?.(++done, total);
  }
  const fields = fieldsOf(motions, dataset);
  const frozen: Finding[] = [];
  for (const { index } of looked) {
    checkSignal(options.signal);
    const episode = await dataset.open(index);
    try {
      frozen.push(...(await frozenCameras(episode, dataset, fields, options.signal)));
    } finally {
      episode.close();
    }
    options.onProgress?.(++done, total);
  }
  const { policy } = options;
  return [
    ...fewEpisodes(episodes.length),
    ...otherRate(fps, options.fps),
    ...rangeFindings('action', fields.actions, policy?.actions),
    // A policy that takes no state does not care about it.
    ...(fields.state && policy?.state !== null ? rangeFindings('state', fields.state, policy?.state) : []),
    ...otherSpeeds(motions, fields.state, fps),
    ...motions.flatMap((motion) => motionFindings(motion, dataset, fields, options.chunkSize)),
    ...frozen,
  ];
}

function motionFindings(motion: Motion, about: Recording, fields: Fields, chunkSize: number): Finding[] {
  return [
    ...tooShort(motion, chunkSize),
    ...notFinite(motion, about),
    ...idleStretches(motion, about.fps, fields),
    ...jumps(motion, fields.state),
  ];
}
