/** A small plot of values over training steps. */
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const HEIGHT = 180;
const FONT = '11px system-ui, sans-serif';

export interface Curve {
  readonly label: string;
  /** A custom property of tokens.css. */
  readonly color: string;
  /** Points rather than a line: for values measured now and then. */
  readonly sparse?: boolean;
  readonly points: readonly { readonly step: number; readonly value: number | null }[];
}

/** uPlot's table: steps in order, then one row of values per curve. */
function aligned(curves: readonly Curve[]): uPlot.AlignedData {
  const steps = [...new Set(curves.flatMap(({ points }) => points.map(({ step }) => step)))].toSorted(
    (a, b) => a - b,
  );
  const rows = curves.map(({ points }) => {
    const byStep = new Map(points.map(({ step, value }) => [step, value]));
    return steps.map((step) => byStep.get(step) ?? null);
  });
  return [steps, ...rows];
}

function described({ label, points }: Curve): string {
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length === 0) return `${label}: no values yet`;
  return `${label}: from ${values[0]!.toFixed(4)} to ${values.at(-1)!.toFixed(4)} over ${values.length} points`;
}

function draw(host: HTMLElement, curves: readonly Curve[], data: uPlot.AlignedData): uPlot {
  const style = getComputedStyle(host);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color('--ink-soft'),
    font: FONT,
    grid: { stroke: color('--line-soft'), width: 1 },
    ticks: { show: false },
  };
  return new uPlot(
    {
      width: Math.max(host.clientWidth, 160),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 8, 0, 0],
      scales: { x: { time: false } },
      axes: [
        {
          ...axis,
          size: 18,
          gap: 2,
          grid: { show: false },
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000],
        },
        {
          ...axis,
          size: 52,
          gap: 4,
          values: (_, at) => at.map((value) => Number(value.toPrecision(3)).toString()),
        },
      ],
      series: [
        {},
        ...curves.map((curve): uPlot.Series => ({
          stroke: color(curve.color),
          width: 2,
          spanGaps: true,
          points: { show: curve.sparse === true, size: 6, fill: color(curve.color) },
        })),
      ],
    },
    data,
    host,
  );
}

interface Shown {
  setCurves(curves: readonly Curve[]): void;
  destroy(): void;
}

/** Follows the host's width and the colour scheme. */
function createShown(host: HTMLElement): Shown {
  let curves: readonly Curve[] = [];
  let plot: uPlot | null = null;
  const redraw = (): void => {
    plot?.destroy();
    plot = draw(host, curves, aligned(curves));
  };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', redraw);
  const observer = new ResizeObserver(() => {
    if (host.clientWidth > 0) plot?.setSize({ width: host.clientWidth, height: HEIGHT });
  });
  observer.observe(host);
  return {
    setCurves(next) {
      const alike = plot !== null && next.length === curves.length;
      curves = next;
      if (alike) plot?.setData(aligned(curves));
      else redraw();
    },
    destroy() {
      observer.disconnect();
      dark.removeEventListener('change', redraw);
      plot?.destroy();
    },
  };
}

export function CurvePlot({ title, curves }: { title: string; curves: readonly Curve[] }) {
  const host = useRef<HTMLDivElement>(null);
  const shown = useRef<Shown | null>(null);
  useEffect(() => {
    if (!host.current) return undefined;
    const created = createShown(host.current);
    shown.current = created;
    return () => {
      created.destroy();
      shown.current = null;
    };
  }, []);
  useEffect(() => {
    shown.current?.setCurves(curves);
  }, [curves]);
  return (
    <figure className="curve">
      <figcaption>
        <span>{title}</span>
        {curves.length > 1 && (
          <ul className="curve-key">
            {curves.map(({ label, color }) => (
              <li key={label}>
                <span className="swatch" style={{ background: `var(${color})` }} /> {label}
              </li>
            ))}
          </ul>
        )}
      </figcaption>
      <div
        ref={host}
        className="curve-canvas"
        role="img"
        aria-label={`${title}. ${curves.map(described).join('. ')}.`}
      />
    </figure>
  );
}
