import { useEffect, useRef } from 'react';
import type { Scale } from './chunk-view.tsx';
import { createPlot, type Plot } from './plot.ts';
import { formatValue } from '../format.ts';
import 'uplot/dist/uPlot.min.css';

interface Props {
  names: { name: string }[];
  units: string[];
  /** [chunk][actions]. */
  rows: number[][];
  scale: Scale;
}

function said(value: number | undefined): string {
  return value === undefined ? '–' : formatValue(value);
}

function describe(name: string, unit: string, values: readonly number[]): string {
  return (
    `${name}${unit ? ` in ${unit}` : ''}, ${values.length} steps: from ${said(values[0])} to ` +
    `${said(values.at(-1))}, lowest ${said(Math.min(...values))}, highest ${said(Math.max(...values))}`
  );
}

function ChunkPlot({
  name,
  unit,
  values,
  scale,
}: {
  name: string;
  unit: string;
  values: number[];
  scale: Scale;
}) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  useEffect(() => {
    if (!host.current) return undefined;
    const created = createPlot(host.current, scale);
    plot.current = created;
    return () => {
      created.destroy();
      plot.current = null;
    };
  }, [scale]);
  useEffect(() => {
    plot.current?.setValues(values);
  }, [values]);
  return (
    <figure className="plot">
      <figcaption>
        <span>
          {name} {unit && <span className="unit">{unit}</span>}
        </span>
        <span className="plot-next" title="the next action">
          {said(values[0])}
        </span>
      </figcaption>
      <div ref={host} className="plot-canvas" role="img" aria-label={describe(name, unit, values)} />
    </figure>
  );
}

/** One small plot per action dimension: time runs to the right, one step per action. */
export function ChunkPlots({ names, units, rows, scale }: Props) {
  return (
    <div className="plots">
      {names.map(({ name }, column) => (
        <ChunkPlot
          key={name}
          name={name}
          unit={units[column] ?? ''}
          values={rows.map((row) => row[column] ?? Number.NaN)}
          scale={scale}
        />
      ))}
    </div>
  );
}
