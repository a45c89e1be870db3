import type { PolicyInfo } from '../../workers/contract.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { useMissingInputs } from './missing-inputs.ts';
import { predictOnce, startRun, stopRun } from './predict-loop.ts';
import { useRunStore } from './run-store.ts';
import './run-controls.css';

function list(parts: readonly string[]): string {
  if (parts.length < 2) return parts.join('');
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}`;
}

/** Start, stop, predict once; and what is still missing for it. */
export function RunControls({ info }: { info: PolicyInfo }) {
  const { status, failure } = useRunStore();
  const missing = useMissingInputs(info);
  const idle = status.kind === 'idle';
  const blocked = missing.length > 0;
  return (
    <section className="run" aria-label="Run">
      <div className="run-buttons">
        {idle || status.kind === 'once' ? (
          <button
            type="button"
            className="button-primary button-large"
            disabled={blocked || !idle}
            aria-describedby="run-needs"
            onClick={() => void startRun()}
          >
            Start
          </button>
        ) : (
          <button
            type="button"
            className="button-stop button-large"
            disabled={status.kind === 'stopping'}
            aria-keyshortcuts="Escape"
            onClick={stopRun}
          >
            {status.kind === 'stopping' ? 'Stopping…' : 'Stop'}
          </button>
        )}
        <button
          type="button"
          className="button-large"
          disabled={blocked || !idle}
          aria-describedby="run-needs"
          onClick={() => void predictOnce()}
        >
          {status.kind === 'once' ? 'Predicting…' : 'Predict once'}
        </button>
        <p id="run-needs" className="run-needs">
          {blocked && `Still needed: ${list(missing)}.`}
          {!blocked && idle && 'Start follows the newest frame; predict once takes a single one.'}
          {!blocked && status.kind === 'streaming' && (
            <>
              Following the newest frame. <kbd>Esc</kbd> stops.
            </>
          )}
        </p>
      </div>
      {failure && <FailureNotice failure={failure} />}
    </section>
  );
}
