/** A small uPlot of one action dimension. */
import uPlot from 'uplot';
import type { Scale } from './chunk-view.tsx';

/** Also in prediction.css: an empty plot is as high. */
const HEIGHT = 104;

/** Differences far below this are rounding, and drawn as a flat line. */
const FLAT = 1e-3;

const FONT = '11px system-ui, sans-serif';

export interface Plot {
  /** One value per step. */
  setValues(values: readonly number[]): void;
  destroy(): void;
}

function tick(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

/**
 * Draws into `host` and follows its width and the colour scheme. The range of the value axis only ever grows,
 * so that a stream of chunks does not make it jump; normalised values have the fixed range −1…1 at least.
 */
export function createPlot(host: HTMLElement, scale: Scale): Plot {
  let [low, high] = scale === 'normalized' ? [-1, 1] : [Infinity, -Infinity];
  let actions: readonly number[] = [];
  let data: uPlot.AlignedData = [[], []];
  const dark = matchMedia('(prefers-color-scheme: dark)');

  const draw = (): uPlot => {
    const style = getComputedStyle(host);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: color('--ink-soft'),
      font: FONT,
      grid: { stroke: color('--line-soft'), width: 1 },
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      width: Math.max(host.clientWidth, 120),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 6, 0, 0],
      scales: {
        x: { time: false, range: (_, from, to) => [from - 0.25, Math.max(to, from + 1)] },
        y: { range: () => [low, high] },
      },
      axes: [
        {
          ...axis,
          size: 18,
          gap: 2,
          space: 20,
          // Where the hold of the last action ends, there is no further one.
          values: (_, at) => at.map((step) => (step <= actions.length ? String(step) : '')),
          incrs: [1, 2, 5, 10],
          grid: { show: false },
          label: 'step',
          labelSize: 14,
          labelGap: 0,
          labelFont: FONT,
        },
        {
          ...axis,
          size: 50,
          gap: 4,
          space: 18,
          values: (_, at) => at.map(tick),
        },
      ],
      series: [
        {},
        {
          stroke: color('--accent'),
          width: 2,
          // An action is held until the next one.
          paths: uPlot.paths.stepped?.({ align: 1 }),
          points: {
            show: true,
            size: 5,
            fill: color('--accent'),
            // The last value is there twice, see below, but is one action.
            filter: (_, __, shown) => (shown ? actions.map((___, at) => at) : null),
          },
        },
      ],
    };
    return new uPlot(options, data, host);
  };

  let plot = draw();
  const redraw = (): void => {
    plot.destroy();
    plot = draw();
  };
  const observer = new ResizeObserver(() => {
    if (host.clientWidth > 0) plot.setSize({ width: host.clientWidth, height: HEIGHT });
  });
  observer.observe(host);
  dark.addEventListener('change', redraw);

  return {
    setValues(values) {
      const margin = Math.max((Math.max(...values) - Math.min(...values)) * 0.08, FLAT);
      low = Math.min(low, Math.min(...values) - (scale === 'real' ? margin : 0));
      high = Math.max(high, Math.max(...values) + (scale === 'real' ? margin : 0));
      actions = values;
      // The last action is held for one step as well.
      data = [[...values, 0].map((_, step) => step + 1), [...values, values.at(-1) ?? null]];
      plot.setData(data);
    },
    destroy() {
      observer.disconnect();
      dark.removeEventListener('change', redraw);
      plot.destroy();
    },
  };
}
