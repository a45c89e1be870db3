import { successRate } from '../../practice/success-rate.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { TRIALS, tryTask, whyNotOnTable } from './practice-run.ts';
import { usePracticeStore } from './practice-store.ts';
import { TrialRow } from './trial-row.tsx';

const percent = (value: number): string => `${Math.round(100 * value)} %`;

/** How often the policy manages the task, on layouts that it has never seen. */
export function Trials({ info }: { info: PolicyInfo }) {
  const table = usePracticeStore((state) => state.table);
  const run = usePracticeStore((state) => state.run);
  const trials = usePracticeStore((state) => state.trials);
  const by = usePracticeStore((state) => state.trialsBy);
  const seed = usePracticeStore((state) => state.trialSeed);
  const successes = trials.filter(({ success }) => success).length;
  const rate = trials.length > 0 ? successRate(successes, trials.length) : null;
  return (
    <section className="trials" aria-labelledby="trials-title">
      <h2 id="trials-title">Success rate</h2>
      <p className="section-hint">
        {TRIALS} trials of this task on layouts that were not in the training data, at full speed.
      </p>
      <div className="actions">
        <button
          type="button"
          disabled={run.kind !== 'idle' || !table || whyNotOnTable(info) !== null}
          onClick={() => void tryTask(seed)}
        >
          Run {TRIALS} trials
        </button>
      </div>
      {rate && (
        <>
          <p className="trials-rate" role="status">
            <strong>{percent(rate.rate)}</strong> {trials[0]!.task}: {successes} of {trials.length}{' '}
            <span className="aside">
              by {by}; 95 % interval {percent(rate.low)} to {percent(rate.high)}
            </span>
          </p>
          <TrialRow trials={trials} />
        </>
      )}
    </section>
  );
}
