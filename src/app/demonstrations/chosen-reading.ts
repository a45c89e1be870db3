/** How the visitor chose to have a dataset read, kept on this device for the next time a dataset of that name is opened. */
import { optionsOf, readingText, type OpenOptions } from '../../episodes/reading.ts';
import type { DemonstrationsInfo } from '../../workers/boundary/contract-demonstrations.ts';

interface Kept {
  readonly options: Required<OpenOptions>;
  /** All that the dataset had recorded then. */
  readonly features: readonly string[];
}

type About = Pick<DemonstrationsInfo, 'name' | 'format' | 'reading'>;

const keyOf = ({ name, format }: About): string => `reading of ${name}, ${format.split(' ')[0]}`;
const featuresOf = ({ reading }: About): string[] => reading?.features.map(({ name }) => name) ?? [];

export function keepReading(info: About): void {
  if (!info.reading) return;
  const kept: Kept = { options: optionsOf(info.reading), features: featuresOf(info) };
  localStorage.setItem(keyOf(info), JSON.stringify(kept));
}

function keptFor(info: About): Kept | null {
  try {
    return JSON.parse(localStorage.getItem(keyOf(info)) ?? 'null') as Kept | null;
  } catch {
    return null;
  }
}

const sameFeatures = (before: Kept, info: About): boolean =>
  before.features.join('\n') === featuresOf(info).join('\n');

/** @returns the choice to read it by, where that is another one than it was read by; null also where it was made for other features */
export function chosenReading(info: About): Required<OpenOptions> | null {
  const before = info.reading && keptFor(info);
  if (!before || !sameFeatures(before, info)) return null;
  return readingText(before.options) === readingText(optionsOf(info.reading!)) ? null : before.options;
}

/** What to say about an earlier choice: that it is in force, or why it is not. Empty where there was none. */
export function aboutChoice(info: About): string {
  const before = info.reading && keptFor(info);
  if (!before) return '';
  if (!sameFeatures(before, info)) {
    return (
      `Your earlier choice for “${info.name}” (${readingText(before.options)}) was for other features than this dataset has, ` +
      'and is not used. Look at what it is read as now.'
    );
  }
  return chosenReading(info) ? '' : 'As you chose.';
}
