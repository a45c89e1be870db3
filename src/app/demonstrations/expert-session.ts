/** Demonstrations of the practice table's expert, handed to the policy worker. */
import type {
  DemonstrationOrder,
  RecordedDemonstrations,
  RecordedEpisode,
  Rehearsal,
} from '../../workers/contract-practice.ts';
import { practiceWorker, randomSeed } from '../practice/practice-session.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { toFailure } from '../status/failure.ts';
import { rememberOpen, setOptions } from '../finetune/finetune-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { openEpisodes, openRecorded, openRecordings } from './recorded-set.ts';
import { EXPERT_OPTIONS } from '../finetune/expert-options.ts';

/** Shows how many episodes there are of how many. */
type Progress = (done: number) => void;

const progressOf =
  (total: number): Progress =>
  (done) =>
    useFineTuneStore.setState({ demonstrations: { kind: 'opening', done, total } });

const episodesIn = (planned: readonly Rehearsal[]): number =>
  planned.reduce((sum, { episodes }) => sum + episodes, 0);

/** The expert's episodes of the trained tasks, so that what is taught makes nothing be forgotten. @param taught what is to be learnt from */
async function rehearse(
  planned: readonly Rehearsal[],
  taught: DemonstrationOrder['tables'],
  seed: number,
  progress: Progress,
): Promise<RecordedEpisode[]> {
  const tables = taught.map(({ instruction, scene }) => ({ instruction, scene }));
  const all: RecordedEpisode[] = [];
  for (const { task, episodes: count, sameTables } of planned) {
    const before = all.length;
    const order = { task, episodes: count, seed, tables: sameTables ? tables : [] };
    const { episodes } = await practiceWorker().demonstrate(order, (done) => progress(before + done));
    all.push(...episodes.map((episode) => ({ ...episode, rehearsal: true })));
  }
  return all;
}

/** @param request with a seed the same episodes are made again */
export async function recordExpert(request: {
  readonly task: string;
  readonly episodes: number;
  readonly rehearse: boolean;
  readonly seed?: number;
}): Promise<void> {
  if (usePracticeStore.getState().status.kind !== 'open') return;
  const { task, episodes: count, seed = randomSeed() } = request;
  try {
    const planned = request.rehearse ? await practiceWorker().rehearsal({ task }) : [];
    const progress = progressOf(count + episodesIn(planned));
    const own: RecordedDemonstrations = await practiceWorker().demonstrate(
      { task, episodes: count, seed, tables: [] },
      progress,
    );
    const old = await rehearse(planned, own.episodes, seed, (done) => progress(count + done));
    const { table } = usePracticeStore.getState();
    const otherRobot = table !== null && table.robot !== 'gripper';
    setOptions({
      ...EXPERT_OPTIONS,
      // Another robot moves in another range, and nothing is mixed in.
      ...(otherRobot ? { statistics: 'demonstrations', demonstrationWeight: 1 } : {}),
      run: `${task} ${seed}`,
    });
    await openEpisodes({ ...own, episodes: [...own.episodes, ...old] }, { origin: 'expert', edits: {} });
    rememberOpen({ kind: 'expert', task, episodes: count, rehearse: request.rehearse, seed });
  } catch (error) {
    useFineTuneStore.setState({ demonstrations: { kind: 'failed', failure: toFailure(error) } });
  }
}

/** The visitor's own recordings, with episodes of the tasks that are not to be forgotten. @param seed makes the same ones again */
export async function openWithRehearsal(seed = randomSeed()): Promise<void> {
  try {
    const taught = (openRecordings() ?? []).map(({ episode }) => episode);
    const instructions = [...new Set(taught.map(({ instruction }) => instruction))];
    const planned = await practiceWorker().rehearsal({ instructions });
    const episodes = await rehearse(planned, taught, seed, progressOf(episodesIn(planned)));
    await openRecorded('table', { seed, episodes });
  } catch (error) {
    useFineTuneStore.setState({ demonstrations: { kind: 'failed', failure: toFailure(error) } });
  }
}
