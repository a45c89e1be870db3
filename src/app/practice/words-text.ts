import type { Understanding } from '../../practice/vocabulary.ts';

/** More unknown words than these are counted, not named. */
const NAMED = 3;
const LONGEST_WORD = 24;

const listed = (parts: readonly string[], last: string): string =>
  parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} ${last} ${parts.at(-1)!}`;

function named(words: readonly string[]): string {
  const quoted = words
    .slice(0, NAMED)
    .map((word) => `“${word.length > LONGEST_WORD ? `${word.slice(0, LONGEST_WORD)}…` : word}”`);
  const more = words.length - quoted.length;
  return more > 0
    ? `${quoted.join(', ')} or ${more} more ${more === 1 ? 'word' : 'words'}`
    : listed(quoted, 'or');
}

const UNJUDGED = 'I can’t tell when it’s finished. Press Stop any time.';

/**
 * What is said about the visitor's words, and what is suggested instead.
 *
 * @param understanding null where nobody knows what the policy learnt
 * @param judged whether it can be told when it is done
 * @param adapter name of what the policy was taught since, which may know more; null for the policy as it came
 */
export function hintFor({
  understanding,
  judged,
  adapter,
}: {
  readonly understanding: Understanding | null;
  readonly judged: boolean;
  readonly adapter: string | null;
}): { readonly said: string; readonly nearest: string } {
  const unjudged = judged ? '' : UNJUDGED;
  const nearest = understanding && 'nearest' in understanding ? understanding.nearest : '';
  switch (understanding?.kind) {
    case 'unknown-words': {
      const words = named(understanding.words);
      if (adapter === null) return { said: `I don’t know ${words}.`, nearest };
      return {
        said: `The original policy doesn’t know ${words}; “${adapter}” may. ${unjudged}`.trim(),
        nearest,
      };
    }
    case 'not-there':
      return { said: `There is no ${listed(understanding.objects, 'and no')} on the table.`, nearest };
    case 'unknown-instruction':
      return { said: `I know these words, but not this task, so ${UNJUDGED}`, nearest };
    default:
      return { said: unjudged && `I don’t know this task, so ${UNJUDGED}`, nearest: '' };
  }
}
