/** How fast lessons go on this machine: measured by a little of each of their parts, or by the last lesson. */
import * as v from 'valibot';
import { EXPERT_OPTIONS } from '../finetune/expert-options.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { loadedPolicy } from '../policy/policy-store.ts';
import { TRIALS } from '../practice/practice-run.ts';
import { practiceWorker, randomSeed } from '../practice/practice-session.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { usePredictionStore } from '../prediction/prediction-store.ts';
import { DEMONSTRATIONS, useTeachStore, type LessonLength } from './teach-store.ts';

const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));
/** Seconds of an episode of the expert, a step of training, and a trial. */
const paceSchema = v.object({ episode: seconds, step: seconds, trial: seconds });
export type Pace = Readonly<v.InferOutput<typeof paceSchema>>;

const KEY = 'openvla-web pace of lessons';

/** Another policy, processor or GPU has another one. */
function keyOf(): string | null {
  const loaded = loadedPolicy();
  return loaded && `${loaded.package.hash} ${loaded.backend.backend} ${loaded.backend.threads}`;
}

/** That of the last lesson on this machine; null where there was none. */
export function keptPace(): Pace | null {
  try {
    const { key, ...pace } = JSON.parse(localStorage.getItem(KEY) ?? '{}') as { key?: unknown };
    const parsed = v.safeParse(paceSchema, pace);
    return parsed.success && key === keyOf() ? parsed.output : null;
  } catch {
    return null;
  }
}

export function keepPace(pace: Pace): void {
  const parsed = v.safeParse(paceSchema, pace);
  if (!parsed.success) return;
  try {
    localStorage.setItem(KEY, JSON.stringify({ key: keyOf(), ...parsed.output }));
  } catch {
    // Without storage it is measured again.
  }
}

/** Episodes of a lesson: of the task, and of what is mixed in. */
async function episodesFor(task: string): Promise<number> {
  const rehearsed = await practiceWorker().rehearsal({ task });
  return rehearsed.reduce((sum, { episodes }) => sum + episodes, DEMONSTRATIONS);
}

/** A little of each part is done, and thrown away. Nothing on the page changes. */
async function measure(task: string): Promise<Pace> {
  const begun = performance.now();
  const recorded = await practiceWorker().demonstrate(
    { task, episodes: 1, seed: randomSeed(), tables: [] },
    () => undefined,
  );
  const episode = (performance.now() - begun) / 1000;
  const [first] = recorded.episodes;
  const actions = first!.actions.length / recorded.actionNames.length;
  const { options, active, adapters } = useFineTuneStore.getState();
  const before = adapters.find(({ id, robot }) => id === active && robot === null);
  const step = await policyWorker().training.stepTime(
    { ...options, ...EXPERT_OPTIONS, run: '', startFrom: before?.id ?? null, robot: null },
    recorded,
  );
  const { table } = usePracticeStore.getState();
  const { timings } = usePredictionStore.getState();
  if (!table || timings.length === 0) throw new Error('Nothing was predicted on the table yet.');
  // The longest that a trial takes: its physics as in the expert’s episode, and a prediction for every few actions.
  const prediction = Math.min(...timings.map(({ elapsedMs }) => elapsedMs)) / 1000;
  const trial = (table.maxSteps * episode) / actions + Math.ceil(table.maxSteps / table.execute) * prediction;
  return { episode, step, trial };
}

const set = (length: LessonLength): void => useTeachStore.setState({ length });

/** Finds out how long a lesson takes here, and says so in the store; once at a time. */
export async function measureLesson(task: string): Promise<void> {
  const { length } = useTeachStore.getState();
  if (length.kind === 'measuring' || (length.kind === 'known' && length.task === task)) return;
  set({ kind: 'measuring' });
  try {
    const episodes = await episodesFor(task);
    const pace = keptPace() ?? (await measure(task));
    set({ kind: 'known', task, seconds: lessonSeconds(pace, episodes, EXPERT_OPTIONS.maxSteps, TRIALS) });
  } catch {
    set({ kind: 'unknown' });
  }
}

/** @param trials before, and as many after @returns seconds of the whole lesson */
export function lessonSeconds(pace: Pace, episodes: number, steps: number, trials: number): number {
  return episodes * pace.episode + steps * pace.step + 2 * trials * pace.trial;
}
