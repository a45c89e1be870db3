import { useState } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { ChunkView, EmptyChunk } from './chunk-view.tsx';
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

/** The newest chunk, or what will appear here. */
export function Chunk({ info }: { info: PolicyInfo }) {
  const latest = usePredictionStore((state) => state.latest);
  return latest ? <ChunkView info={info} latest={latest} /> : <EmptyChunk info={info} />;
}

/** How long the newest prediction took, and keeping it. */
export function PredictionAbout({ info }: { info: PolicyInfo }) {
  const latest = usePredictionStore((state) => state.latest);
  if (!latest) return null;
  return (
    <>
      <LatencyView info={info} />
      <SaveButton info={info} latest={latest} />
    </>
  );
}

/** All of the newest prediction below each other. */
export function PredictionPanel({ info }: { info: PolicyInfo }) {
  return (
    <>
      <Chunk info={info} />
      <PredictionAbout info={info} />
    </>
  );
}
