/** What a person should know about demonstrations before training on them. */
import { ModelError } from '../../base/errors.ts';
import type { Dataset, Episode } from '../dataset.ts';
import { actionFindings, actionKinds } from './action-kinds.ts';
import { fewEpisodes, tooShort } from './amount.ts';
import {
  episodesLookedAt,
  frozenCameras,
  lookAt,
  stepsLookedAt,
  swappedCameras,
  type CameraLook,
} from './cameras.ts';
import { cutShort } from './cut-short.ts';
import { fieldsOf, type Fields, type Motion, type Recording } from './columns.ts';
import type { Finding } from './finding.ts';
import { idleStretches, jumps } from './motion.ts';
import { notFinite } from './not-finite.ts';
import { rangeFindings, type DimensionRange } from './ranges.ts';
import { otherRate, otherSpeeds } from './rates.ts';
import { checkSignal } from './signal.ts';
import { contradictions } from './contradictions.ts';
import { offTimestamps } from './timestamps.ts';

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

/** Episodes whose first and last frame are asked for: a video may be shorter than its rows, or start late. */
const ENDS_LOOKED_AT = 64;

/**
 * Reads every episode's actions and states, and some frames of some episodes. What is about the whole dataset comes first. An episode or
 * frame that cannot be read is a finding; the others are reviewed all the same.
 * @throws ModelError `cancelled`, or the first episode's error where none can be read
 */
export async function reviewDataset(dataset: Dataset, options: ReviewOptions): Promise<Finding[]> {
  const { episodes, fps } = dataset;
  const { signal, policy } = options;
  const looked = new Set(episodesLookedAt(episodes).map(({ index }) => index));
  const ends = new Set(episodesLookedAt(episodes, ENDS_LOOKED_AT).map(({ index }) => index));
  const total = episodes.length + ends.size;
  let done = 0;

  const motions: Read[] = [];
  const unreadable: Finding[] = [];
  let firstError: ModelError | null = null;
  for (const info of episodes) {
    checkSignal(signal);
    try {
      const episode = await dataset.open(info.index);
      motions.push(episode);
      episode.close();
    } catch (error) {
      if (!(error instanceof ModelError) || error.code === 'cancelled') throw error;
      firstError ??= error;
      unreadable.push(unreadableEpisode(info.index, error));
    }
    options.onProgress?.(++done, total);
  }
  if (firstError && motions.length === 0) throw firstError;

  const fields = fieldsOf(motions, dataset);
  const looks: CameraLook[] = [];
  const ofFrames: Finding[] = [];
  for (const motion of motions.filter(({ index }) => ends.has(index))) {
    const steps = looked.has(motion.index) ? stepsLookedAt(motion.length) : endsOf(motion.length);
    const episode = await dataset.open(motion.index);
    try {
      const { looks: seen, findings } = await lookAt(episode, dataset, steps, signal);
      ofFrames.push(
        ...(looked.has(motion.index) ? frozenCameras(motion, seen, dataset, fields) : []),
        ...findings,
      );
      if (looked.has(motion.index)) looks.push(...seen);
    } finally {
      episode.close();
    }
    options.onProgress?.(++done, total);
  }
  return [
    ...fewEpisodes(episodes.length),
    ...otherRate(fps, options.fps),
    ...actionFindings(actionKinds(motions, fields)),
    ...rangeFindings('action', fields.actions, policy?.actions),
    // A policy that takes no state does not care about it.
    ...(fields.state && policy?.state !== null ? rangeFindings('state', fields.state, policy?.state) : []),
    ...otherSpeeds(motions, fields.state, fps),
    ...unreadable,
    ...cutShort(motions, fields.state, options.chunkSize),
    ...onceEach(
      motions.flatMap((motion) => offTimestamps(motion, fps)),
      motions.length,
    ),
    ...motions.flatMap((motion) => motionFindings(motion, dataset, fields, options.chunkSize)),
    ...onceEach(ofFrames, ends.size),
    ...swappedCameras(looks),
  ];
}

/** Findings that a recorder's or an encoder's setting causes in every episode alike. */
const ALIKE: readonly Finding['id'][] = ['timestamps', 'unreadable-frames'];
/** Of fewer episodes each is named. */
const MANY = 3;

/** What holds for the whole dataset is found in every episode, and said once. */
function onceEach(findings: readonly Finding[], episodes: number): Finding[] {
  const found = new Map<string, Set<number | null>>();
  for (const finding of findings) {
    const known = found.get(keyOf(finding)) ?? new Set();
    found.set(keyOf(finding), known.add(finding.episode));
  }
  const said = new Set<string>();
  return findings.flatMap((finding): Finding[] => {
    const key = keyOf(finding);
    const everywhere = ALIKE.includes(finding.id) && episodes >= MANY && found.get(key)!.size >= episodes;
    if (!everywhere && finding.episode !== null) return [finding];
    if (said.has(key)) return [];
    said.add(key);
    if (finding.episode === null) return [finding];
    const { from: _, to: __, ...about } = finding;
    return [
      {
        ...about,
        episode: null,
        message: `In every episode, such as ${finding.episode}: ${finding.message}`,
      },
    ];
  });
}

function keyOf({ id, camera = '' }: Finding): string {
  return `${id} ${camera}`;
}

type Read = Motion & Pick<Episode, 'timestamps' | 'notes'>;

function endsOf(length: number): number[] {
  return length > 1 ? [0, length - 1] : length === 1 ? [0] : [];
}

function unreadableEpisode(index: number, error: ModelError): Finding {
  return {
    id: 'unreadable',
    severity: 'warning',
    episode: index,
    message: `The episode cannot be read: ${error.message}`,
    hint: `${error.hint} The other episodes are not affected; leave this one out to train on them.`.trim(),
  };
}

function motionFindings(motion: Read, about: Recording, fields: Fields, chunkSize: number): Finding[] {
  return [
    ...tooShort(motion, chunkSize),
    ...notFinite(motion, about),
    ...contradictions(motion),
    ...idleStretches(motion, about.fps, fields),
    ...jumps(motion, fields.state),
  ];
}
