import { expect, test } from 'vitest';
import { newRunName } from './run-name.ts';

test('a new run is called by its demonstrations and the time, and never like one that is stored', () => {
  const now = new Date('2026-11-27T13:05:09Z');
  const first = newRunName('v21', now, []);
  expect(first).toBe('v21 2026-11-27 13.05.09');
  const second = newRunName('v21', now, [{ run: first }]);
  expect(second).toBe('v21 2026-11-27 13.05.09 (2)');
  expect(newRunName('v21', now, [{ run: first }, { run: second }])).toBe('v21 2026-11-27 13.05.09 (3)');
});
