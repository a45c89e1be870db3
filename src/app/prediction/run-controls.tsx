import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { formatRate } from '../format.ts';
import { useMissingInputs } from './missing-inputs.ts';
import { predictOnce, startRun, stopRun } from './predict-loop.ts';
import { usePredictionStore } from './prediction-store.ts';
import { useRunStore } from './run-store.ts';
import { predictionRate } from './timing.ts';
import './run-controls.css';

/** Where inputs and chunk are below each other, pressing a button leads to what it brings. */
function showChunk(): void {
  if (!matchMedia('(max-width: 63.99rem)').matches) return;
  const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
  document.querySelector('.chunk')?.scrollIntoView({ behavior, block: 'start' });
}

function Rate() {
  const rate = usePredictionStore((state) => predictionRate(state.timings));
  return rate === null ? null : <span className="number">{formatRate(rate)} predictions per second. </span>;
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
            className="button-primary button-large button-run"
            disabled={blocked || !idle}
            aria-describedby="run-needs"
            onClick={() => {
              showChunk();
              void startRun();
            }}
          >
            Start
          </button>
        ) : (
          <button
            type="button"
            className="button-stop button-large button-run"
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
          onClick={() => {
            showChunk();
            void predictOnce();
          }}
        >
          {status.kind === 'once' ? 'Predicting…' : 'Predict once'}
        </button>
        <p id="run-needs" className="run-needs">
          {blocked && missing.join(' ')}
          {!blocked &&
            idle &&
            'Start predicts continuously from the newest frames; Predict once uses the current ones.'}
          {!blocked && status.kind === 'streaming' && (
            <>
              Predicting from the newest frames. <Rate />
              <span className="run-key">
                <kbd>Esc</kbd> stops.
              </span>
            </>
          )}
        </p>
      </div>
      {failure && <FailureNotice failure={failure} />}
    </section>
  );
}
