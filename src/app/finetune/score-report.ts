/** What checked frames say about a policy: its error beside that of always predicting the mean. */
import type { ChunkCheck, DimensionStatistics } from '../../workers/boundary/contract-demonstrations.ts';

export interface ScoredDimension {
  readonly name: string;
  /** Mean absolute differences from what was recorded, in its units. */
  readonly policy: number;
  readonly mean: number;
}

export interface ScoreReport {
  readonly dimensions: readonly ScoredDimension[];
  /** The policy's error in units of the mean predictor's, averaged over the dimensions that move. At 1 the policy is no better than the mean. */
  readonly ratio: number;
  /** The same with each of its statistics, the best first. */
  readonly keys: readonly { readonly key: string; readonly ratio: number }[];
}

type Chunk = readonly (readonly number[])[];

/** @param action statistics of the demonstrations, whose mean is what the mean predictor predicts */
export function scoreReport(
  checks: readonly Pick<ChunkCheck, 'predicted' | 'recorded' | 'byKey'>[],
  action: readonly Pick<DimensionStatistics, 'name' | 'mean'>[],
): ScoreReport {
  const means = action.map(({ mean }) => mean);
  const mean = errors(
    checks.map(({ recorded }) => [recorded.map(() => means), recorded] as const),
    action.length,
  );
  const ratioOf = (of: readonly number[]): number => {
    const moving = mean.flatMap((error, i) => (error > 0 ? [of[i]! / error] : []));
    return moving.reduce((sum, one) => sum + one, 0) / Math.max(1, moving.length);
  };
  const policy = errors(
    checks.map(({ predicted, recorded }) => [predicted, recorded] as const),
    action.length,
  );
  const keys = new Set(checks.flatMap(({ byKey }) => byKey.map(({ key }) => key)));
  const byKey = [...keys].map((key) => {
    const pairs = checks.flatMap(({ byKey: all, recorded }) => {
      const found = all.find((one) => one.key === key);
      return found ? [[found.predicted, recorded] as const] : [];
    });
    return { key, ratio: ratioOf(errors(pairs, action.length)) };
  });
  return {
    dimensions: action.map(({ name }, i) => ({ name, policy: policy[i]!, mean: mean[i]! })),
    ratio: ratioOf(policy),
    keys: byKey.toSorted((a, b) => a.ratio - b.ratio),
  };
}

/** Mean absolute difference of each dimension. */
function errors(pairs: readonly (readonly [Chunk, Chunk])[], size: number): number[] {
  const sums = Array.from({ length: size }, () => 0);
  let rows = 0;
  for (const [predicted, recorded] of pairs) {
    for (const [t, row] of recorded.entries()) {
      rows++;
      for (let i = 0; i < size; i++) sums[i]! += Math.abs(predicted[t]![i]! - row[i]!);
    }
  }
  return sums.map((sum) => sum / Math.max(1, rows));
}
