import { expect, test, vi } from 'vitest';
import { unitWords, valuesOf } from './unit-words.ts';

vi.mock('../url-state.ts', () => ({ isShippedPolicy: (url: string) => url === 'shipped' }));

const of = (url: string, adapted: boolean) => valuesOf({ adapted, package: { url } as never });

test('units are words', () => {
  expect(unitWords('x', 'scaled', 'table')).toBe('1 = 2.5 cm');
  expect(unitWords('yaw', 'scaled', 'table')).toBe('1 = 14°');
  expect(unitWords('roll', 'scaled', 'table')).toBe('not used');
  expect(unitWords('gripper', 'open–close', 'package')).toBe('1 = open');
  expect(unitWords('x', 'm', 'package')).toBe('metres');
  expect(unitWords('wrist', 'furlongs', 'taught')).toBe('furlongs');
});

test('what is known of the table is not said of another robot', () => {
  // LIBERO's x is scaled too, by another length, and its arm rolls.
  expect(unitWords('x', 'scaled', 'package')).toBe('scaled');
  expect(unitWords('roll', 'scaled', 'package')).toBe('scaled');
  expect(unitWords('gripper.pos', 'open–close', 'taught')).toBe('open–close');
  expect([of('shipped', false), of('shipped', true), of('libero', false), of('libero', true)]).toEqual([
    'table',
    'taught',
    'package',
    'taught',
  ]);
});
