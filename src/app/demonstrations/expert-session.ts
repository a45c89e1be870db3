/** Demonstrations of the practice table's expert, handed to the policy worker. */
import type {
  DemonstrationOrder,
  RecordedDemonstrations,
  RecordedEpisode,
  Rehearsal,
  TableRobotName,
} from '../../workers/boundary/contract-practice.ts';
import { sharedOut } from '../../practice/tasks.ts';
import { practiceWorker, randomSeed } from '../practice/practice-session.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { toFailure } from '../status/failure.ts';
import { rememberOpen } from './open-demonstrations.ts';
import { setOptions } from '../finetune/estimate-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { openEpisodes, openRecorded, openRecordings } from './recorded-set.ts';
import { EXPERT_OPTIONS, NEW_ROBOT_OPTIONS } from '../finetune/expert-options.ts';

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
    // What is rehearsed is what the policy knows: tasks of the table’s own robot.
    const order = {
      task,
      robot: 'gripper',
      episodes: count,
      seed,
      tables: sameTables ? tables : [],
    } as const;
    const { episodes } = await practiceWorker().demonstrate(order, (done) => progress(before + done));
    all.push(...episodes.map((episode) => ({ ...episode, rehearsal: true })));
  }
  return all;
}

/** @param request its episodes are shared out among the tasks; with a seed the same ones are made again */
export async function recordExpert(request: {
  readonly tasks: readonly string[];
  readonly robot: TableRobotName;
  readonly episodes: number;
  /** Mixes in what the policy knows. Of another robot than the table's own it knows nothing. */
  readonly rehearse: boolean;
  readonly seed?: number;
}): Promise<void> {
  if (usePracticeStore.getState().status.kind !== 'open') return;
  const { tasks, robot, seed = randomSeed() } = request;
  const [task] = tasks;
  if (task === undefined) return;
  const mixed = request.rehearse && robot === 'gripper';
  try {
    const planned = mixed ? await practiceWorker().rehearsal({ task }) : [];
    const progress = progressOf(request.episodes + episodesIn(planned));
    const own = await showAll(request, seed, progress);
    const old = await rehearse(planned, own.episodes, seed, (done) => progress(own.episodes.length + done));
    setOptions({
      ...(robot === 'gripper' ? EXPERT_OPTIONS : NEW_ROBOT_OPTIONS),
      run: `${tasks.join(' ')} ${seed}`,
    });
    await openEpisodes({ ...own, episodes: [...own.episodes, ...old] }, { origin: 'expert', edits: {} });
    rememberOpen({ kind: 'expert', tasks, robot, episodes: request.episodes, rehearse: mixed, seed });
  } catch (error) {
    useFineTuneStore.setState({ demonstrations: { kind: 'failed', failure: toFailure(error) } });
  }
}

/** What each task shows of it, as one dataset. */
async function showAll(
  { tasks, robot, episodes }: Pick<Parameters<typeof recordExpert>[0], 'tasks' | 'robot' | 'episodes'>,
  seed: number,
  progress: Progress,
): Promise<RecordedDemonstrations> {
  let whole = null as RecordedDemonstrations | null;
  const counts = sharedOut(episodes, tasks.length);
  for (const [i, task] of tasks.entries()) {
    const before = whole?.episodes.length ?? 0;
    const count = counts[i]!;
    if (count === 0) continue;
    const order = { task, robot, episodes: count, seed, tables: [] };
    const more = await practiceWorker().demonstrate(order, (done) => progress(before + done));
    // Each is named after its task.
    whole = whole
      ? { ...whole, name: `${whole.name}, ${task}`, episodes: [...whole.episodes, ...more.episodes] }
      : more;
  }
  return whole!;
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
