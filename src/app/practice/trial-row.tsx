import type { TrialResult } from './practice-store.ts';

const seconds = (steps: number): string => `${(steps / 10).toFixed(1)} s`;

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
            seed {trial.seed}: {trial.success ? `done in ${seconds(trial.steps)}` : 'not managed'}
          </span>
        </li>
      ))}
    </ol>
  );
}
