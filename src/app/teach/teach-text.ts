/** What is said about a lesson: how long it takes, and what came of it. */
import { formatDuration } from '../format.ts';
import type { TrialResult } from '../practice/practice-store.ts';

/** A step of eight samples takes as long as this many predictions: 1500 steps took 543 s where one took 28 ms (docs/measurements.md). */
const PREDICTIONS_PER_STEP = 13;
/** Rough, not measured: seconds that an episode of the expert takes, and how many there are with what is mixed in. */
const SECONDS_PER_EPISODE = 0.4;
const EPISODES = 260;
/** Rough, too: a trial's actions, of which four are carried out of each prediction. */
const PREDICTIONS_PER_TRIAL = 20;

/** @param predictionMs of a prediction on this machine; null where none was made @returns seconds, to be taken as about */
export function lessonSeconds(predictionMs: number | null, steps: number, trials: number): number | null {
  if (predictionMs === null) return null;
  const predictions = steps * PREDICTIONS_PER_STEP + 2 * trials * PREDICTIONS_PER_TRIAL;
  return EPISODES * SECONDS_PER_EPISODE + (predictions * predictionMs) / 1000;
}

export function lessonLength(seconds: number | null): string {
  return seconds === null ? 'some minutes' : `about ${formatDuration(seconds)}`;
}

/** Share of the trials from which on a task counts as learnt. */
const LEARNT = 0.9;

const count = (trials: readonly TrialResult[]): number => trials.filter(({ success }) => success).length;

/** A sentence about a lesson. */
export function verdict(
  instruction: string,
  before: readonly TrialResult[],
  after: readonly TrialResult[],
): string {
  const [was, is] = [count(before), count(after)];
  const rates = `“${instruction}”: ${is} of ${after.length} trials, before ${was} of ${before.length}.`;
  if (is >= LEARNT * after.length) return `It can do it now. ${rates}`;
  if (is > was) return `It got better, but is not reliable yet. ${rates}`;
  return `It did not learn it. ${rates}`;
}
