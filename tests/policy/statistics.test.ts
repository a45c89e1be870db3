import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { ROBOT_PROFILES, type RobotProfile } from '../../src/model/policy/robot-profiles.ts';
import {
  datasetStatisticsSchema,
  normalizeProprio,
  unnormalizeActions,
  type DatasetStatistics,
} from '../../src/model/policy/statistics.ts';

const field = (low: number[], high: number[], mask?: boolean[]) => ({
  mean: low,
  std: low,
  min: low.map((value) => value - 1),
  max: high.map((value) => value + 1),
  q01: low,
  q99: high,
  ...(mask ? { mask } : {}),
});
const profile: RobotProfile = {
  ...ROBOT_PROFILES['libero']!,
  actions: [
    { name: 'x', unit: 'm' },
    { name: 'gripper', unit: '' },
  ],
  state: [
    { name: 'x', unit: 'm' },
    { name: 'y', unit: 'm' },
  ],
};
const statistics: DatasetStatistics = {
  action: field([0, 0], [2, 2], [true, false]),
  proprio: field([0, -1], [4, 1]),
};

const parsed = (low: string) =>
  v.safeParse(
    datasetStatisticsSchema,
    JSON.parse(JSON.stringify(statistics).replace('"q01":[0', `"q01":[${low}`)),
  );

describe('statistics', () => {
  it.each([
    ['NaN that a network gave', [Number.NaN, 0], statistics],
    ['an infinite gripper', [0, Number.POSITIVE_INFINITY], statistics],
    ['bounds whose difference overflows', [1, 0], { ...statistics, action: field([-1e308, 0], [1e308, 2]) }],
  ])('stop a run that ends in %s', (_, action, of) => {
    const stopped = () => unnormalizeActions([[0, 0], action], of, profile);
    expect(stopped).toThrow(ModelError);
    expect(stopped).toThrow(/not a number: (NaN|Infinity) in dimension [01] of step [01]/);
  });

  it('with 1e999 are refused', () => {
    expect(parsed('0').success).toBe(true);
    for (const low of ['1e999', '-1e999']) expect(parsed(low).success).toBe(false);
  });

  it('un-normalises masked dimensions only, with upstream’s epsilon', () => {
    const [row] = unnormalizeActions([[0.5, 0.25]], statistics, profile);
    expect(row![0]).toBeCloseTo(0.5 * 1.5 * (2 + 1e-8), 12);
    expect(row![1]).toBe(0.25);
  });

  it('takes min and max for BOUNDS, percentiles for BOUNDS_Q99', () => {
    const bounds: RobotProfile = { ...profile, normalization: 'bounds' };
    expect(unnormalizeActions([[-1, 0]], statistics, bounds)[0]![0]).toBe(-1);
    expect(unnormalizeActions([[-1, 0]], statistics, profile)[0]![0]).toBe(0);
  });

  it('normalises and clips the state', () => {
    expect(normalizeProprio([2, 5], statistics, profile)).toEqual([expect.closeTo(0, 6), 1]);
  });

  it.each([
    ['too short', [1]],
    ['not a number', [1, NaN]],
  ])('refuses a state that is %s', (_, state) => {
    expect(() => normalizeProprio(state, statistics, profile)).toThrow(ModelError);
  });

  it('refuses statistics of another robot', () => {
    const wide: RobotProfile = { ...profile, actions: [...profile.actions, { name: 'z', unit: 'm' }] };
    expect(() => unnormalizeActions([[0, 0, 0]], statistics, wide)).toThrow(
      /cover 2 dimensions, the policy has 3/,
    );
  });
});
