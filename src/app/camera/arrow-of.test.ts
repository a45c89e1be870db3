import { expect, test } from 'vitest';
import { arrowOf } from './arrow-of.ts';

const chunk = (x: number, y: number, z: number) => Array.from({ length: 4 }, () => [x, y, z, 0, 0, 0, 1]);

test('a way to the right, away and up points right and up in the picture', () => {
  expect(arrowOf(chunk(0, 1, 0), 0.025)).toEqual({ x: 0.5, y: 0, metres: expect.closeTo(0.1) });
  expect(arrowOf(chunk(-1, 0, 0), 0.025).y).toBeLessThan(0);
  expect(arrowOf(chunk(0, 0, 1), 0.025).y).toBeLessThan(0);
  expect(arrowOf(chunk(0, -9, 0), 0.025).x).toBe(-1);
});
