import type { Timing } from './prediction-store.ts';

/** Middle value; the mean of the two middle ones where their number is even. 0 for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

export interface StageTiming {
  name: string;
  /** Of the newest prediction, milliseconds. */
  latestMs: number;
  /** Over the window, milliseconds. */
  medianMs: number;
}

/** Per stage of the newest prediction, in its order. */
export function stageTimings(timings: readonly Timing[]): StageTiming[] {
  const latest = timings.at(-1);
  if (!latest) return [];
  return latest.stages.map(({ name, elapsedMs }) => {
    const all = timings.flatMap(({ stages }) => stages.filter((stage) => stage.name === name));
    return { name, latestMs: elapsedMs, medianMs: median(all.map((stage) => stage.elapsedMs)) };
  });
}

/** Predictions per second over the run that is in the window, or null before there are two. */
export function predictionRate(timings: readonly Timing[]): number | null {
  const start = timings.findLastIndex(({ startsRun }) => startsRun);
  const run = timings.slice(Math.max(start, 0));
  const first = run[0];
  const last = run.at(-1);
  if (!first || !last || run.length < 2) return null;
  const seconds = (last.finishedAtMs - first.finishedAtMs) / 1000;
  return seconds > 0 ? (run.length - 1) / seconds : null;
}
