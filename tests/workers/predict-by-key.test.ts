import { expect, test } from 'vitest';
import { unnormalizeActions, type DatasetStatistics } from '../../src/model/policy/statistics.ts';
import type { Observation, Prediction } from '../../src/workers/boundary/contract.ts';
import type { LoadedPolicy } from '../../src/workers/policy/loaded-policy.ts';
import { predictByKey } from '../../src/workers/policy/predict.ts';

function statistics(high: number, size = 1): DatasetStatistics {
  const all = (value: number) => Array.from({ length: size }, () => value);
  const field = {
    mean: all(0),
    std: all(1),
    min: all(-high),
    max: all(high),
    q01: all(-high),
    q99: all(high),
  };
  return { action: field };
}

test('a policy without a state is run once; its statistics scale what it gave, those of other robots are left out', async () => {
  const profile = { actions: [{ name: 'x', unit: 'm' }], state: null, normalization: 'bounds_q99' };
  const config = {
    profile,
    statistics: { small: statistics(1), large: statistics(10), other: statistics(1, 7) },
  };
  const policy = {
    unnormalize: (normalized: number[][], key: 'small' | 'large') =>
      unnormalizeActions(normalized, config.statistics[key], profile as never, 0),
  };
  const held = { variants: { inUse: { policy, config } } } as unknown as LoadedPolicy;
  const known = { unnormKey: 'small', normalized: [[0.5]], actions: [[0.5]] } as unknown as Prediction;
  const clock = { now: () => 0, signal: new AbortController().signal };
  expect(await predictByKey(held, {} as Observation, known, clock)).toEqual([
    { key: 'small', predicted: [[0.5]] },
    { key: 'large', predicted: [[5]] },
  ]);
});
