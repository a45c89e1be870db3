import { expect, test } from 'vitest';
import { unitWords } from './unit-words.ts';

test('units are words', () => {
  expect(unitWords('x', 'scaled')).toBe('1 = 2.5 cm');
  expect(unitWords('yaw', 'scaled')).toBe('1 = 14°');
  expect(unitWords('gripper', 'open–close')).toBe('1 = open');
  expect(unitWords('x', 'm')).toBe('metres');
  expect(unitWords('wrist', 'furlongs')).toBe('furlongs');
});
