/** An edit of an episode in a word, and its inverse. */
import type { EpisodeEdit } from '../../workers/boundary/contract-demonstrations.ts';

/** What was done to it: "Episode 3 deleted". */
export function editWord({ deleted, instruction, keep, success }: EpisodeEdit): string {
  if (deleted !== undefined) return deleted ? 'deleted' : 'restored';
  if (instruction !== undefined) return 'relabelled';
  if (keep !== undefined) return 'trimmed';
  return success === false ? 'marked as a failure' : 'marked as a success';
}

/** What brings back what was there: each of the changed values as it was, or none. */
export function beforeEdit(edit: EpisodeEdit | undefined, change: EpisodeEdit): EpisodeEdit {
  const keys = Object.keys(change) as (keyof EpisodeEdit)[];
  return Object.fromEntries(keys.map((key) => [key, edit?.[key]]));
}
