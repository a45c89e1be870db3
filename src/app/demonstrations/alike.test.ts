import { expect, test } from 'vitest';
import type { Finding } from '../../workers/boundary/contract-demonstrations.ts';
import { alike, countOf } from './alike.ts';

const finding = (id: string, episode: number | null): Finding => ({
  id,
  severity: 'warning',
  episode,
  message: `${id} in ${episode}`,
  hint: '',
});

test('fifteen alike are one line, and few stay by themselves', () => {
  const idle = Array.from({ length: 15 }, (_, episode) => finding('idle', episode));
  const jumps = [finding('jump', 2), finding('jump', 2)];
  const groups = alike([idle[0]!, ...jumps, ...idle.slice(1)]);
  expect(groups.map(({ length }) => length)).toEqual([15, 1, 1]);
  expect(countOf(groups[0]!)).toBe('15 episodes alike, such as: idle in 0');
});
