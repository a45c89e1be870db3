/** The dataset made of what was recorded in this page: opened in the policy worker, and opened anew after each recording. */
import type { EpisodeEdit, EpisodeEdits } from '../../workers/boundary/contract-demonstrations.ts';
import type { RecordedDemonstrations, RecordedEpisode } from '../../workers/boundary/contract-practice.ts';
import { closeDemonstrations, rememberOpen } from './open-demonstrations.ts';
import { setOptions } from '../finetune/estimate-session.ts';
import { openDemonstrations } from '../finetune/run-session.ts';
import { EXPERT_OPTIONS } from '../finetune/expert-options.ts';
import { forgetChanges } from '../undo/undo-store.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import {
  asDemonstrations,
  deleteRecordings,
  editRecording,
  recordingsOf,
  saveRecording,
  type Place,
  type Recording,
} from './recordings.ts';

/** The recordings behind the demonstrations that are open, by episode; null where those came from elsewhere. */
let open: {
  readonly place: Place;
  readonly recordings: readonly Recording[];
  readonly rehearsal: boolean;
} | null = null;

/** Episodes of tasks the policy knows, and the seed that makes them again. */
export interface Rehearsed {
  readonly seed: number;
  readonly episodes: readonly RecordedEpisode[];
}

/** The layouts that the episodes are of, by episode: recordings and what the expert showed. */
let scenes: readonly RecordedEpisode['scene'][] = [];

export function openRecordings(): readonly Recording[] | null {
  return useFineTuneStore.getState().origin === 'recorded' ? (open?.recordings ?? null) : null;
}

/** @returns whether rehearsal episodes were open beside them, which now have to be mixed in again: they are too large to keep a copy */
export async function addRecordings(
  place: Place,
  about: Omit<RecordedDemonstrations, 'episodes'>,
  episodes: readonly RecordedEpisode[],
  edit: EpisodeEdit,
): Promise<boolean> {
  const rehearsed = openRecordings() !== null && open!.rehearsal;
  for (const episode of episodes)
    await saveRecording({ place, recordedAt: Date.now(), about, episode, edit });
  await openRecorded(place);
  return rehearsed;
}

/** Opens everything recorded at one place. @param rehearsal follows the recordings */
export async function openRecorded(place: Place, rehearsal: Rehearsed | null = null): Promise<void> {
  const more = openRecordings() !== null && open?.place === place;
  const recordings = await recordingsOf(place);
  open = { place, recordings, rehearsal: rehearsal !== null };
  if (recordings.length === 0) return;
  const edits: EpisodeEdits = Object.fromEntries(recordings.map(({ edit }, index) => [index, edit]));
  // Once: whoever changes them keeps them, recording after recording.
  if (place === 'table' && useFineTuneStore.getState().origin !== 'recorded') setOptions(EXPERT_OPTIONS);
  const recorded = asDemonstrations(recordings);
  const episodes = [...recorded.episodes, ...(rehearsal?.episodes ?? [])];
  await openEpisodes({ ...recorded, episodes }, { origin: 'recorded', edits, more });
  rememberOpen({ kind: 'recorded', place, rehearsalSeed: rehearsal?.seed ?? null });
}

/** Opens episodes that were made in this page, whoever made them. */
export async function openEpisodes(
  recorded: RecordedDemonstrations,
  as: { readonly origin: 'recorded' | 'expert'; readonly edits: EpisodeEdits; readonly more?: boolean },
): Promise<void> {
  scenes = recorded.episodes.map(({ scene }) => scene);
  await openDemonstrations({ kind: 'recorded', recorded }, as);
}

/** Remembers an edit with the recording it is of. */
export async function keepEdit(index: number, edit: EpisodeEdit): Promise<void> {
  const recording = openRecordings()?.[index];
  if (!recording || !open) return;
  open = {
    ...open,
    recordings: open.recordings.map((one) => (one === recording ? { ...one, edit } : one)),
  };
  await editRecording(recording.id, edit);
}

/** Deletes for good what is marked as deleted. */
export async function purgeRecordings(): Promise<void> {
  if (!open) return;
  const { place, recordings } = open;
  await deleteRecordings(recordings.filter(({ edit }) => edit.deleted).map(({ id }) => id));
  // Episodes are numbered anew.
  forgetChanges('demonstrations');
  if (recordings.every(({ edit }) => edit.deleted)) await closeDemonstrations();
  else await openRecorded(place);
}

export function sceneOf(index: number): RecordedEpisode['scene'] {
  return useFineTuneStore.getState().origin === 'dataset' ? null : (scenes[index] ?? null);
}

/** How much is on this device. */
export async function countRecorded(): Promise<Record<Place, number>> {
  const [table, camera] = await Promise.all([recordingsOf('table'), recordingsOf('camera')]);
  return { table: table.length, camera: camera.length };
}
