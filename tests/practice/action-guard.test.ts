import { describe, expect, it } from 'vitest';
import { guardAction } from '../../src/practice/action-guard.ts';

describe('the guard of actions', () => {
  it('clamps each axis to the speed limit and leaves the gripper', () => {
    expect(guardAction([0.9, -3, 0.1, 0, 0, -0.7, 1], 0.5)).toEqual([0.5, -0.5, 0.1, 0, 0, -0.5, 1]);
    expect(guardAction([0.9, -3, 0.1, 0, 0, 0, 7], 1)).toEqual([0.9, -1, 0.1, 0, 0, 0, 1]);
  });

  it('stands still where a prediction is no number', () => {
    expect(guardAction([Number.NaN, Infinity, -Infinity, 0, 0, 0, Number.NaN], 1)).toEqual([
      0, 0, 0, 0, 0, 0, 0,
    ]);
  });
});
