/** What is said about a lesson: how long it takes, and what came of it. */
import { formatDuration } from '../format.ts';
import type { TrialResult } from '../practice/practice-store.ts';
import type { LessonLength } from './teach-store.ts';

/** How long a lesson takes, as far as that is known. */
export function lengthText(length: LessonLength): string {
  switch (length.kind) {
    case 'known':
      return `Takes about ${formatDuration(length.seconds)} on this machine; keep this tab open.`;
    case 'measuring':
      return 'How long it takes on this machine is being measured…';
    default:
      return 'How long it takes on this machine could not be measured; keep this tab open.';
  }
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
