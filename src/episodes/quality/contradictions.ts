import type { Episode } from '../dataset.ts';
import type { Finding } from './finding.ts';

/** What the files of a dataset contradict each other about. The reader decided; a person should know how. */
export function contradictions({ index, notes }: Pick<Episode, 'index' | 'notes'>): Finding[] {
  return (notes ?? []).map((message) => ({
    id: 'contradiction',
    severity: 'warning',
    episode: index,
    message,
    hint: 'Check that this is what was recorded.',
  }));
}
