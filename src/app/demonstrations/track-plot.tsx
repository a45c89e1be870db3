/** One dimension of an episode over its steps, with the step that is looked at and, where asked for, what the policy predicts. */
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatValue } from '../format.ts';

const HEIGHT = 84;
/** Differences below are rounding, not movement. */
const FLAT = 1e-6;
const FONT = '11px system-ui, sans-serif';

interface Props {
  readonly name: string;
  readonly values: readonly number[];
  readonly step: number;
  /** Steps kept, [from, to). */
  readonly from: number;
  readonly to: number;
  /** Predicted values, and the steps they are for. */
  readonly predicted?: { readonly steps: readonly number[]; readonly values: readonly number[] } | null;
  readonly onStep: (step: number) => void;
}

type Marks = Pick<Props, 'step' | 'from' | 'to'>;

function create(
  host: HTMLElement,
  { values, predicted }: Pick<Props, 'values' | 'predicted'>,
  marks: { readonly current: Marks },
): uPlot {
  const style = getComputedStyle(host);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const guess: (number | null | undefined)[] = values.map(() => null);
  // A chunk at a lower rate than the recording's has steps between its actions: the line goes through.
  predicted?.steps.forEach((step, i) => {
    for (let between = (predicted.steps[i - 1] ?? step) + 1; between < step; between++)
      guess[between] = undefined;
    guess[step] = predicted.values[i]!;
  });
  const drawMarks = (plot: uPlot): void => {
    const { ctx, bbox } = plot;
    const x = (at: number) => plot.valToPos(at, 'x', true);
    const { step, from, to } = marks.current;
    ctx.save();
    ctx.fillStyle = color('--sunk');
    ctx.globalAlpha = 0.75;
    ctx.fillRect(bbox.left, bbox.top, Math.max(0, x(from - 0.5) - bbox.left), bbox.height);
    const end = x(to - 0.5);
    ctx.fillRect(end, bbox.top, Math.max(0, bbox.left + bbox.width - end), bbox.height);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = color('--focus');
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x(step), bbox.top);
    ctx.lineTo(x(step), bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  };
  return new uPlot(
    {
      width: Math.max(host.clientWidth, 120),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 4, 6, 0],
      scales: {
        x: { time: false, range: [-0.5, Math.max(1, values.length - 0.5)] },
        y: { range: (_, low, high) => (high - low > FLAT ? [low, high] : [low - 1, low + 1]) },
      },
      axes: [
        { show: false },
        {
          stroke: color('--ink-soft'),
          font: FONT,
          size: 44,
          gap: 4,
          space: 24,
          grid: { stroke: color('--line-soft'), width: 1 },
          ticks: { show: false },
          values: (_, at) => at.map((value) => Number(value.toPrecision(3)).toString()),
        },
      ],
      series: [
        {},
        { stroke: color('--accent'), width: 1.5, points: { show: false } },
        { stroke: color('--warn'), width: 2, dash: [4, 3], points: { show: false } },
      ],
      hooks: { draw: [drawMarks] },
    },
    [values.map((_, i) => i), [...values], guess],
    host,
  );
}

export function TrackPlot({ name, values, step, from, to, predicted, onStep }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const marks = useRef<Marks>({ step, from, to });

  useEffect(() => {
    const element = host.current!;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = create(element, { values, predicted: predicted ?? null }, marks);
    };
    draw();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) plot.current?.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      dark.removeEventListener('change', draw);
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [values, predicted]);

  // Only the marks: the lines stay as they are.
  useEffect(() => {
    marks.current = { step, from, to };
    plot.current?.redraw(false);
  }, [step, from, to]);

  return (
    <figure className="track">
      <figcaption>
        <span title={name}>{name}</span>
        <span className="number">{formatValue(values[step] ?? Number.NaN)}</span>
      </figcaption>
      <div
        ref={host}
        className="track-canvas"
        role="img"
        aria-label={`${name} over ${values.length} steps, lowest ${formatValue(Math.min(...values))}, highest ${formatValue(Math.max(...values))}; at step ${step} ${formatValue(values[step] ?? Number.NaN)}`}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const at = plot.current?.posToVal(
            event.clientX - box.left - plot.current.bbox.left / devicePixelRatio,
            'x',
          );
          if (at !== undefined) onStep(Math.max(0, Math.min(values.length - 1, Math.round(at))));
        }}
      />
    </figure>
  );
}
