/** Before and after: the same trials with the policy as it was loaded and with the adapter. */
import { loadedPolicy } from '../policy/policy-store.ts';
import { practiceIdle, runTrials, stopPractice, TRIALS, whyNotOnTable } from '../practice/practice-run.ts';
import { usePracticeStore, type TrialResult } from '../practice/practice-store.ts';
import { toFailure } from '../status/failure.ts';
import { useCompareStore, type Comparison } from './compare-store.ts';
import { chooseAdapter } from './adapter-session.ts';
import { useFineTuneStore } from './finetune-store.ts';

const set = useCompareStore.setState;
/** Seeds that no recording starts from by itself: those are drawn below a million. */
const FIRST_SEED = 5_000_000;

let stopped = false;

/**
 * Runs the trials of some tasks with and without the adapter; what is in use afterwards is what was in use before.
 * @param before what it is compared with; null for the policy as it was loaded
 */
export async function compare(
  tasks: readonly string[],
  adapter: string,
  { episodes = TRIALS, before = null }: { episodes?: number; before?: string | null } = {},
): Promise<void> {
  const { active } = useFineTuneStore.getState();
  const { status } = usePracticeStore.getState();
  if (status.kind !== 'open') return;
  stopped = false;
  stopPractice();
  set({ running: true, backTo: active, failure: null, comparisons: [] });
  try {
    await practiceIdle();
    for (const task of tasks) {
      const heldOut = status.tasks.find(({ name }) => name === task)?.heldOut ?? false;
      let comparison: Comparison = {
        task,
        heldOut,
        before: { adapter: before, trials: [] },
        after: { adapter, trials: [] },
      };
      const others = useCompareStore.getState().comparisons;
      for (const side of ['before', 'after'] as const) {
        const wanted = comparison[side].adapter;
        if (wanted === null && originalIsForAnotherRobot()) {
          comparison = { ...comparison, [side]: { ...comparison[side], otherRobot: true } };
          set({ comparisons: [...others, comparison] });
          continue;
        }
        await chooseAdapter(wanted);
        const now = useFineTuneStore.getState();
        // Trials with another adapter would be shown as this one's.
        if (now.active !== wanted) {
          set({ failure: now.failure });
          return;
        }
        const complete = await runTrials(task, FIRST_SEED, {
          episodes,
          onTrial: (trials: readonly TrialResult[]) => {
            comparison = { ...comparison, [side]: { ...comparison[side], trials } };
            set({ comparisons: [...others, comparison] });
          },
        });
        if (stopped || !complete) return;
      }
    }
  } catch (error) {
    set({ failure: toFailure(error) });
  } finally {
    await chooseAdapter(active);
    set({ running: false });
  }
}

/** A robot that the policy was taught, and did not know before. */
function originalIsForAnotherRobot(): boolean {
  const original = loadedPolicy();
  return original !== null && whyNotOnTable(original) !== null;
}

export function stopComparing(): void {
  stopped = true;
  stopPractice();
}
