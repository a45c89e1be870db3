import { expect, test } from 'vitest';
import { lessonLength, lessonSeconds, verdict } from './teach-text.ts';

const trials = (successes: number) =>
  Array.from({ length: 20 }, (_, i) => ({ task: 'can', seed: i, success: i < successes, steps: 1 }));

test('how long is said before follows from this machine’s predictions', () => {
  expect(lessonLength(lessonSeconds(28, 1500, 20))).toBe('about 11 min');
  expect(lessonSeconds(56, 1500, 20)!).toBeGreaterThan(lessonSeconds(28, 1500, 20)!);
  expect(lessonLength(lessonSeconds(null, 1500, 20))).toBe('some minutes');
});

test('a verdict is what the trials say', () => {
  expect(verdict('lift the can', trials(0), trials(18))).toBe(
    'It can do it now. “lift the can”: 18 of 20 trials, before 0 of 20.',
  );
  expect(verdict('lift the can', trials(1), trials(17))).toMatch(/^It got better, but is not reliable yet/);
  expect(verdict('lift the can', trials(3), trials(3))).toMatch(/^It did not learn it/);
});
