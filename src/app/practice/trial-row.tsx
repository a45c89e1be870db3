import type { TrialResult } from './practice-store.ts';
import { seconds } from './seconds.ts';

/** One square per trial. */
export function TrialRow({ trials }: { trials: readonly TrialResult[] }) {
  return (
    <ol className="trials-row" aria-label="Trials">
      {trials.map((trial) => (
        <li
          key={trial.seed}
          data-seed={trial.seed}
          data-success={trial.success}
          className={trial.success ? 'trial-good' : 'trial-bad'}
        >
          <span className="visually-hidden">
            layout {trial.seed}: {trial.success ? `done in ${seconds(trial.steps)}` : 'failed'}
          </span>
        </li>
      ))}
    </ol>
  );
}
