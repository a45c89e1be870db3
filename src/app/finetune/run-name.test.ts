import { expect, test } from 'vitest';
import { newRunName } from './run-name.ts';

test('a new run is called by its demonstrations and the time, and never like one that is stored', () => {
  const now = new Date('2026-11-27T13:05:09Z');
  const first = newRunName('v21', now, []);
  // As the browser writes dates, without what no folder's name may hold.
  expect(first).toMatch(/^v21 .*2026.*05\.09/);
  expect(first).not.toMatch(/[/\\:]/);
  const second = newRunName('v21', now, [{ run: first }]);
  expect(second).toBe(`${first} (2)`);
  expect(newRunName('v21', now, [{ run: first }, { run: second }])).toBe(`${first} (3)`);
});
