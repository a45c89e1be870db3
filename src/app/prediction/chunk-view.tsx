import { useEffect, useState } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { lazyPart } from '../lazy-part.tsx';
import { ChunkTable } from './chunk-table.tsx';
import type { ShownPrediction } from './prediction-store.ts';
import { unitWords, valuesOf } from './unit-words.ts';

const load = () => import('./chunk-plots.tsx');
// uPlot is not needed to load a policy; by the time there is a chunk it is here.
const ChunkPlots = lazyPart(
  async () => ({ default: (await load()).ChunkPlots }),
  <p className="waiting">Drawing…</p>,
);

export type Scale = 'real' | 'normalized';

const scales: { value: Scale; label: string }[] = [
  { value: 'real', label: 'Real units' },
  { value: 'normalized', label: 'Normalised' },
];

/** Whether a dimension moved in the data that the policy was trained on. */
function moves(info: PolicyInfo, index: number): boolean {
  const range = info.actionRange[info.defaultUnnormKey];
  return range === undefined || range.q01[index] !== range.q99[index];
}

/** The same frame as around a chunk, before there is one. */
export function EmptyChunk({ info }: { info: PolicyInfo }) {
  useEffect(() => void load().catch(() => undefined), []);
  return (
    <section className="chunk" aria-labelledby="chunk-title">
      <div className="title-row">
        <h2 id="chunk-title">No prediction yet</h2>
      </div>
      <p className="chunk-prompt">
        The next {info.chunkSize} actions will appear here: {(info.chunkSize / info.controlHz).toFixed(2)} s
        of movement at {info.controlHz} Hz, as plots and as a table.
      </p>
      <div className="plots">
        {info.actions
          .filter((_, i) => moves(info, i))
          .map(({ name, unit }) => (
            <figure key={name} className="plot">
              <figcaption>
                <span>
                  {name} <span className="unit">{unitWords(name, unit, valuesOf(info))}</span>
                </span>
              </figcaption>
              <div className="plot-canvas" />
            </figure>
          ))}
      </div>
    </section>
  );
}

/** The predicted chunk as plots and as a table, in real units or as the head gives it. */
export function ChunkView({ info, latest }: { info: PolicyInfo; latest: ShownPrediction }) {
  const [scale, setScale] = useState<Scale>('real');
  const rows = scale === 'real' ? latest.actions : latest.normalized;
  const units = info.actions.map(({ unit }) => (scale === 'real' ? unit : 'normalised'));
  const words = info.actions.map(({ name, unit }) =>
    scale === 'real' ? unitWords(name, unit, valuesOf(info)) : 'normalised',
  );
  const still = info.actions.filter((_, i) => !moves(info, i)).map(({ name }) => name);
  const plots = (shown: (index: number) => boolean) => {
    const at = info.actions.flatMap((_, i) => (shown(i) ? [i] : []));
    return (
      <ChunkPlots
        key={scale}
        names={at.map((i) => info.actions[i]!)}
        units={at.map((i) => words[i]!)}
        rows={rows.map((row) => at.map((i) => row[i]!))}
        scale={scale}
      />
    );
  };
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
      {plots((i) => moves(info, i))}
      {still.length > 0 && (
        <details>
          <summary>{still.join(', ')}: never moved in training</summary>
          {plots((i) => !moves(info, i))}
        </details>
      )}
      <details className="chunk-numbers">
        <summary>Details in numbers</summary>
        <ChunkTable names={info.actions} units={units} rows={rows} controlHz={info.controlHz} />
      </details>
    </section>
  );
}
