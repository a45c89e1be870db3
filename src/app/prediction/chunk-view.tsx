import { lazy, Suspense, useState } from 'react';
import type { PolicyInfo } from '../../workers/contract.ts';
import { ChunkTable } from './chunk-table.tsx';
import type { ShownPrediction } from './prediction-store.ts';

// uPlot is needed only once there is a chunk.
const ChunkPlots = lazy(async () => ({ default: (await import('./chunk-plots.tsx')).ChunkPlots }));

export type Scale = 'real' | 'normalized';

const scales: { value: Scale; label: string }[] = [
  { value: 'real', label: 'Real units' },
  { value: 'normalized', label: 'Normalised' },
];

/** The predicted chunk as plots and as a table, in real units or as the head gives it. */
export function ChunkView({ info, latest }: { info: PolicyInfo; latest: ShownPrediction }) {
  const [scale, setScale] = useState<Scale>('real');
  const rows = scale === 'real' ? latest.actions : latest.normalized;
  const units = info.actions.map(({ unit }) => (scale === 'real' ? unit : ''));
  return (
    <section className="chunk" aria-labelledby="chunk-title">
      <div className="title-row">
        <h2 id="chunk-title">
          Next {info.chunkSize} actions{' '}
          <span className="unit">{(info.chunkSize / info.controlHz).toFixed(2)} s</span>
        </h2>
        <fieldset className="toggle">
          <legend className="visually-hidden">Scale</legend>
          {scales.map(({ value, label }) => (
            <label key={value}>
              <input
                type="radio"
                name="scale"
                value={value}
                checked={scale === value}
                onChange={() => setScale(value)}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <p className="chunk-prompt">
        For <q>{latest.instruction}</q>, {latest.promptTokens} prompt tokens.
      </p>
      <Suspense fallback={<p className="waiting">Drawing…</p>}>
        <ChunkPlots key={scale} names={info.actions} units={units} rows={rows} scale={scale} />
      </Suspense>
      <ChunkTable names={info.actions} units={units} rows={rows} controlHz={info.controlHz} />
    </section>
  );
}
