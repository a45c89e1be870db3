import { expect, test } from 'vitest';
import type { Timing } from './prediction-store.ts';
import { median, predictionRate, stageTimings } from './timing.ts';

function timing(finishedAtMs: number, visionMs: number, startsRun = false): Timing {
  return { finishedAtMs, startsRun, elapsedMs: visionMs, stages: [{ name: 'vision', elapsedMs: visionMs }] };
}

test('the median of an even number is the mean of the middle two', () => {
  expect(median([9, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 100])).toBe(3.5);
  expect(median([])).toBe(0);
});

test('a stage shows its newest time and the median of the window', () => {
  const timings = [timing(0, 10), timing(50, 30), timing(100, 12)];
  expect(stageTimings(timings)).toEqual([{ name: 'vision', latestMs: 12, medianMs: 12 }]);
  expect(stageTimings([])).toEqual([]);
});

test('the rate is that of the running run only: a pause before it does not count', () => {
  expect(predictionRate([timing(0, 10, true)])).toBeNull();
  const afterPause = [timing(0, 10, true), timing(100, 10), timing(60_000, 10, true), timing(60_500, 10)];
  expect(predictionRate(afterPause)).toBe(2);
});
