/** The policy at work on the table. The practice worker observes, asks the policy worker and carries out the actions; the page shows its reports. */
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import type {
  ExecutionReport,
  RunNews,
  RunOrder,
  TableRobotProfile,
  TableLayout,
} from '../../workers/boundary/contract-practice.ts';
import { tableSeen } from '../camera/seen-frames.ts';
import { predictorName } from '../finetune/predictor-name.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { failPolicy } from '../policy/policy-session.ts';
import { currentPolicy, loadedPolicy } from '../policy/policy-store.ts';
import { keepFrames } from '../prediction/kept-frames.ts';
import { usePredictionStore } from '../prediction/prediction-store.ts';
import { useStateStore } from '../state/state-store.ts';
import { needsRestart, toFailure } from '../status/failure.ts';
import { linkPolicy } from './policy-link.ts';
import { layTable, practiceWorker, randomSeed, tableSettled } from './practice-session.ts';
import { usePracticeStore, type Outcome, type PracticeRun, type TrialResult } from './practice-store.ts';

/** Where success cannot be judged, a run ends after this many actions. */
const LONGEST = 300;
/** Between one task of the show and the next. */
const PAUSE_MS = 1800;
export const TRIALS = 20;

/** `npm run bench` reads these marks; more of them would only fill memory. */
let marksLeft = 100;

/** The run was stopped because its tab was hidden. */
let hidden = false;

const set = usePracticeStore.setState;
const runNow = (): PracticeRun => usePracticeStore.getState().run;
const active = (): boolean => !['idle', 'stopping'].includes(runNow().kind);

/** Why a policy cannot work on the table, or null. */
export function whyNotOnTable(info: PolicyInfo): string | null {
  const { table } = usePracticeStore.getState();
  if (table && table.robot !== 'gripper') return whyNotFor(table.profile, info);
  const loaded = loadedPolicy();
  // Another arm's joints may be as many as the table's directions.
  const other =
    loaded?.actions.length === 7 && info.actions.some(({ name }, i) => name !== loaded.actions[i]?.name);
  if (info.adapted && other) {
    return `The active model is for ${info.robot}; its actions don’t mean the same as the table’s ${loaded.actions.map(({ name }) => name).join(', ')}.`;
  }
  // Of another rate each action is another distance.
  if (info.adapted && table && info.controlHz !== table.profile.controlHz) {
    return `The active model is for ${info.robot}, at ${info.controlHz} actions per second; the table’s arm takes ${table.profile.controlHz}.`;
  }
  const found = `${info.imageSlots.length} images, ${info.actions.length} action and ${info.state?.length ?? 0} state values`;
  return info.imageSlots.length === 2 && info.actions.length === 7 && info.state?.length === 8
    ? null
    : `This policy takes ${found}; the table has 2 cameras, 7 actions and 8 state values.`;
}

/** Likewise where another robot stands at it. Names say what actions mean: as many of them may be another arm's. */
function whyNotFor({ name, actions, state, images }: TableRobotProfile, info: PolicyInfo): string | null {
  const fits =
    named(actions) === named(info.actions) &&
    named(state) === named(info.state) &&
    images.length === info.imageSlots.length;
  if (fits) return null;
  return `The active model is for another robot (${info.robot}); an ${name} stands here. To teach it, choose Auto-generate under Demonstrations, then train under Fine-tune.`;
}

function named(dimensions: readonly { readonly name: string }[] | null): string {
  return (dimensions ?? []).map(({ name }) => name).join();
}

/** Shows predictions as they come. */
function shownTo(onSteps: (steps: number) => void): (news: RunNews) => void {
  let startsRun = true;
  let { inputs } = usePredictionStore.getState();
  return (news) => {
    if (news.kind === 'hold') set({ held: news.why });
    else if (news.kind === 'asked') inputs = usePredictionStore.getState().inputs;
    else {
      const { seen, ...numbers } = news.prediction;
      const { stages, elapsedMs, unnormKey } = numbers;
      seen.forEach((image, index) => tableSeen.set(index, image));
      keepFrames(news.images);
      const finishedAtMs = performance.now();
      if (marksLeft-- > 0) {
        performance.measure('prediction', { start: finishedAtMs - elapsedMs });
        performance.mark('action');
      }
      const { instruction, state } = news;
      usePredictionStore
        .getState()
        .add(
          { ...numbers, instruction, state, unnormKey, seed: null },
          { stages, elapsedMs, finishedAtMs, startsRun },
          inputs,
        );
      startsRun = false;
      onSteps(news.steps);
    }
  };
}

/** One episode; ends on success, after `most` actions, or when the run is stopped. */
async function episode(
  order: Omit<RunOrder, 'unnormKey'>,
  onSteps: (steps: number) => void = () => undefined,
): Promise<ExecutionReport> {
  const { unnormKey } = useStateStore.getState();
  await linkPolicy();
  if (!active()) return { achieved: false, steps: 0 };
  try {
    return await practiceWorker().run({ ...order, unnormKey }, shownTo(onSteps));
  } finally {
    set({ held: null });
  }
}

function endWith(error: unknown): void {
  const failure = toFailure(error);
  // Another policy is being loaded, which the page shows: that the prediction had to give way is not a failure.
  if (failure.code === 'cancelled' || (failure.code === 'busy' && !currentPolicy())) return;
  if (needsRestart(failure.code) && currentPolicy()) failPolicy(failure);
  else set({ failure });
}

async function runEpisode(by: 'visitor' | 'show'): Promise<Outcome> {
  hidden = false;
  set({ run: { kind: 'running', by, steps: 0 }, outcome: { kind: 'none' }, failure: null });
  const { judged, table } = usePracticeStore.getState();
  const { achieved, steps } = await episode(
    {
      most: judged ? 2 * (table?.maxSteps ?? LONGEST) : LONGEST,
      realTime: true,
      execute: table?.execute ?? LONGEST,
    },
    (count) => {
      if (runNow().kind === 'running') set({ run: { kind: 'running', by, steps: count } });
    },
  );
  if (achieved) return { kind: 'success', steps };
  if (active()) return { kind: 'gave-up', steps };
  return hidden ? { kind: 'hidden' } : { kind: 'stopped' };
}

/** Does what the instruction says, until it is done, stopped, or given up. */
export async function startPractice(): Promise<void> {
  await tableSettled();
  if (!currentPolicy() || runNow().kind !== 'idle' || !useInstructionStore.getState().text.trim()) return;
  try {
    set({ outcome: await runEpisode('visitor') });
  } catch (error) {
    endWith(error);
  } finally {
    set({ run: { kind: 'idle' } });
  }
}

/** Does something else from now on, whatever goes on. */
export async function doInstruction(instruction: string): Promise<void> {
  stopPractice();
  await practiceIdle();
  useInstructionStore.getState().setText(instruction);
  await startPractice();
}

/** When what runs on the table has ended. */
export function practiceIdle(): Promise<void> {
  return new Promise((resolve) => {
    if (runNow().kind === 'idle') {
      resolve();
      return;
    }
    const unsubscribe = usePracticeStore.subscribe(({ run }) => {
      if (run.kind !== 'idle') return;
      unsubscribe();
      resolve();
    });
  });
}

/** Task after task, until somebody steps in: what a visitor sees on arrival. */
export async function startShow(): Promise<void> {
  await tableSettled();
  const { status } = usePracticeStore.getState();
  if (status.kind !== 'open' || !currentPolicy() || runNow().kind !== 'idle') return;
  const trained = status.tasks.filter(({ heldOut }) => !heldOut);
  // Of another robot it knows what it was taught; which that is the page does not know.
  const tasks = trained.length > 0 ? trained : status.tasks;
  try {
    for (let turn = 0; ; turn++) {
      const outcome = await runEpisode('show');
      set({ outcome });
      if (outcome.kind === 'stopped' || outcome.kind === 'hidden') break;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      if (runNow().kind !== 'running') break;
      const current = tasks.findIndex(({ name }) => name === usePracticeStore.getState().table?.task);
      await layTable(tasks[(current + 1) % tasks.length]!.name, randomSeed());
    }
  } catch (error) {
    endWith(error);
  } finally {
    set({ run: { kind: 'idle' } });
  }
}

/** A tab that nobody sees is slowed down by the browser, and nobody could press Esc there. Trials do not go by the clock, and go on. */
export function hidePractice(): void {
  if (runNow().kind !== 'running' && runNow().kind !== 'replaying') return;
  hidden = true;
  stopPractice();
}

/** Stops at once; the gripper stays where it is. */
export function stopPractice(): void {
  if (!active()) return;
  set({ run: { kind: 'stopping' } });
  void practiceWorker()
    .halt()
    .catch(() => undefined);
}

/** Carries out recorded actions on a layout. */
export async function replay(
  actions: readonly (readonly number[])[],
  scene: TableLayout,
): Promise<'reached' | 'done' | 'stopped'> {
  stopPractice();
  await practiceIdle();
  set({ run: { kind: 'replaying' }, outcome: { kind: 'none' }, failure: null });
  try {
    await layTable(scene.task, scene.seed, true, scene.robot);
    if (!active()) return 'stopped';
    const report = await practiceWorker().execute(
      actions.map((action) => [...action]),
      true,
    );
    if (!active()) return 'stopped';
    return report.achieved ? 'reached' : 'done';
  } finally {
    set({ run: { kind: 'idle' } });
  }
}

/** Trials of the task that is chosen. */
export async function tryTask(seed: number): Promise<void> {
  await tableSettled();
  const { table } = usePracticeStore.getState();
  if (table) await runTrials(table.task, seed);
}

/**
 * Episodes of one task on new layouts, as fast as the machine allows. Seeds count up from `seed`.
 * @returns whether all of them were run
 */
export async function runTrials(
  task: string,
  seed: number,
  options: { episodes?: number; onTrial?: (trials: readonly TrialResult[]) => void } = {},
): Promise<boolean> {
  const by = predictorName();
  const { episodes = TRIALS, onTrial = (trials) => set({ trials, trialsBy: by }) } = options;
  if (!currentPolicy() || runNow().kind !== 'idle') return false;
  const results: TrialResult[] = [];
  set({ failure: null, outcome: { kind: 'none' } });
  onTrial(results);
  try {
    for (let i = 0; i < episodes; i++) {
      set({ run: { kind: 'trials', done: i, total: episodes } });
      // What was laid, and nothing else: where it cannot be laid there is no trial.
      const table = await layTable(task, seed + i, false);
      const { maxSteps: most, execute } = table;
      const { achieved, steps } = await episode({ most, realTime: false, execute });
      if (runNow().kind !== 'trials') break;
      results.push({ task, seed: seed + i, success: achieved === true, steps });
      onTrial([...results]);
    }
    return results.length === episodes;
  } catch (error) {
    endWith(error);
    return false;
  } finally {
    set({ run: { kind: 'idle' } });
  }
}
