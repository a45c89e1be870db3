import { useState } from 'react';
import type { PolicyInfo } from '../../workers/contract.ts';
import { ChunkView } from './chunk-view.tsx';
import { LatencyView } from './latency-view.tsx';
import { usePredictionStore, type ShownPrediction } from './prediction-store.ts';
import { savePrediction } from './save-prediction.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { toFailure, type Failure } from '../status/failure.ts';
import './prediction.css';

function SaveButton({ info, latest }: { info: PolicyInfo; latest: ShownPrediction }) {
  const [failure, setFailure] = useState<Failure | null>(null);
  const save = (): void => {
    setFailure(null);
    savePrediction(info, latest).catch((error: unknown) => setFailure(toFailure(error)));
  };
  return (
    <div className="save">
      <button type="button" onClick={save}>
        Save this prediction
      </button>
      <p className="aside">
        One JSON file with the raw frames, the inputs and the chunk, to keep or to attach to a bug report.
      </p>
      {failure && <FailureNotice failure={failure} />}
    </div>
  );
}

/** The newest chunk and how long it took, or what will appear here. */
export function PredictionPanel({ info }: { info: PolicyInfo }) {
  const latest = usePredictionStore((state) => state.latest);
  if (!latest) {
    return (
      <section className="chunk-empty" aria-label="Predicted chunk">
        <h2>No prediction yet</h2>
        <p>
          Here appear the next {info.chunkSize} actions, {(info.chunkSize / info.controlHz).toFixed(2)} s of
          movement at {info.controlHz} Hz, as one plot for each of the {info.actions.length} action dimensions
          and as a table.
        </p>
      </section>
    );
  }
  return (
    <>
      <LatencyView info={info} />
      <ChunkView info={info} latest={latest} />
      <SaveButton info={info} latest={latest} />
    </>
  );
}
