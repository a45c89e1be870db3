import { expect, test } from 'vitest';
import { lengthText, verdict } from './teach-text.ts';

const trials = (successes: number) =>
  Array.from({ length: 20 }, (_, i) => ({ task: 'can', seed: i, success: i < successes, steps: 1 }));

test('how long it takes is said once it is known, and never guessed', () => {
  expect(lengthText({ kind: 'known', task: 'can', seconds: 660 })).toMatch(
    /^Takes about 11 min on this machine/,
  );
  expect(lengthText({ kind: 'measuring' })).toMatch(/measured…$/);
  expect(lengthText({ kind: 'measuring' })).not.toMatch(/\d/);
  expect(lengthText({ kind: 'unknown' })).not.toMatch(/\d/);
});

test('a verdict is what the trials say', () => {
  expect(verdict('lift the can', trials(0), trials(18))).toBe(
    'It can do it now. “lift the can”: 18 of 20 trials, before 0 of 20.',
  );
  expect(verdict('lift the can', trials(1), trials(17))).toMatch(/^It got better, but is not reliable yet/);
  expect(verdict('lift the can', trials(3), trials(3))).toMatch(/^It did not learn it/);
});
