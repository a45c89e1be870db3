/** Demonstrations of the practice table's expert, handed to the policy worker. */
import type { PracticeWorker, RecordedDemonstrations } from '../../workers/contract-practice.ts';
import { practiceWorker, randomSeed } from '../practice/practice-session.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { toFailure } from '../status/failure.ts';
import { setOptions } from '../finetune/finetune-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { openEpisodes, openRecorded, openRecordings } from './recorded-set.ts';
import { EXPERT_OPTIONS } from '../finetune/expert-options.ts';

type Episodes = RecordedDemonstrations['episodes'];

/** Lets the expert do tasks one after the other, telling the page how far it is. */
async function demonstrate(
  tasks: readonly { readonly name: string; readonly episodes: number; readonly rehearsal: boolean }[],
  seed: number,
): Promise<{ about: Omit<RecordedDemonstrations, 'episodes'>; episodes: Episodes }> {
  const total = tasks.reduce((sum, { episodes }) => sum + episodes, 0);
  const all: Episodes[number][] = [];
  let about: Omit<RecordedDemonstrations, 'episodes'> | null = null;
  for (const { name, episodes: count, rehearsal } of tasks) {
    const before = all.length;
    const { episodes, ...rest } = await practiceWorker().demonstrate(name, count, seed, (done) =>
      useFineTuneStore.setState({ demonstrations: { kind: 'opening', done: before + done, total } }),
    );
    about ??= rest;
    all.push(...episodes.map((episode) => ({ ...episode, rehearsal })));
  }
  return { about: about!, episodes: all };
}

/** Tasks the policy was trained on, as often as they are rehearsed. */
async function rehearsals(
  taught: Parameters<PracticeWorker['rehearsal']>[0],
): Promise<{ name: string; episodes: number; rehearsal: boolean }[]> {
  const rehearsed = await practiceWorker().rehearsal(taught);
  return rehearsed.map(({ task, episodes }) => ({ name: task, episodes, rehearsal: true }));
}

export async function recordExpert(request: {
  readonly task: string;
  readonly episodes: number;
  readonly rehearse: boolean;
}): Promise<void> {
  if (usePracticeStore.getState().status.kind !== 'open') return;
  const { task, episodes: count, rehearse } = request;
  const seed = randomSeed();
  try {
    const { about, episodes } = await demonstrate(
      [{ name: task, episodes: count, rehearsal: false }, ...(rehearse ? await rehearsals({ task }) : [])],
      seed,
    );
    setOptions({ ...EXPERT_OPTIONS, run: `${task} ${seed}` });
    await openEpisodes({ ...about, episodes }, 'expert', {});
  } catch (error) {
    useFineTuneStore.setState({ demonstrations: { kind: 'failed', failure: toFailure(error) } });
  }
}

/** The visitor's own recordings, with episodes of the tasks that are not to be forgotten. */
export async function openWithRehearsal(): Promise<void> {
  try {
    const instructions = [...new Set((openRecordings() ?? []).map(({ episode }) => episode.instruction))];
    const { episodes } = await demonstrate(await rehearsals({ instructions }), randomSeed());
    await openRecorded('table', episodes);
  } catch (error) {
    useFineTuneStore.setState({ demonstrations: { kind: 'failed', failure: toFailure(error) } });
  }
}
