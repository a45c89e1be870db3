/** Dataset statistics and the two normalisations, as openvla_utils.py and modeling_prismatic.py compute them (float64). */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import type { PolicyConfig } from './config.ts';
import type { RobotProfile } from './robot-profiles.ts';

// JSON has no Infinity, but 1e999 is read as one.
const numbers = v.array(v.pipe(v.number(), v.finite()));
const fieldStatisticsSchema = v.looseObject({
  mean: numbers,
  std: numbers,
  min: numbers,
  max: numbers,
  q01: numbers,
  q99: numbers,
  // Written by hand it is often 0 and 1.
  mask: v.optional(
    v.array(
      v.union([
        v.boolean(),
        v.pipe(
          v.picklist([0, 1]),
          v.transform((value) => value === 1),
        ),
      ]),
    ),
  ),
});

export const datasetStatisticsSchema = v.looseObject({
  action: fieldStatisticsSchema,
  proprio: v.optional(fieldStatisticsSchema),
});

export type FieldStatistics = v.InferOutput<typeof fieldStatisticsSchema>;
/** One entry of dataset_statistics.json. */
export type DatasetStatistics = v.InferOutput<typeof datasetStatisticsSchema>;

/** The statistics named `key`. @throws ModelError `missing-statistics` listing the keys there are. */
export function statisticsFor(statistics: PolicyConfig['statistics'], key: string): DatasetStatistics {
  const found = Object.hasOwn(statistics, key) ? statistics[key] : undefined;
  if (!found) {
    throw new ModelError(
      'missing-statistics',
      `The policy has no statistics "${key}"; it has ${Object.keys(statistics).join(', ')}.`,
      'Choose one of these keys.',
    );
  }
  return found;
}

function bounds(field: FieldStatistics, kind: RobotProfile['normalization'], size: number, what: string) {
  const [low, high] = kind === 'bounds' ? [field.min, field.max] : [field.q01, field.q99];
  const mask = field.mask ?? Array.from({ length: size }, () => true);
  if (low.length !== size || high.length !== size || mask.length !== size) {
    throw new ModelError(
      'missing-statistics',
      `The ${what} statistics cover ${low.length} dimensions, the policy has ${size}.`,
      'These statistics belong to another robot; choose another key.',
    );
  }
  return { low, high, mask };
}

/**
 * Normalised actions [chunk][dim] in −1…1 to real units; dimensions with mask false pass unchanged.
 * @param epsilon added to the range, as OpenVLA-OFT does; the original OpenVLA adds nothing
 * @throws ModelError `diverged` where one comes out that is not finite
 */
export function unnormalizeActions(
  actions: readonly (readonly number[])[],
  statistics: DatasetStatistics,
  profile: RobotProfile,
  epsilon = 1e-8,
): number[][] {
  const { low, high, mask } = bounds(
    statistics.action,
    profile.normalization,
    profile.actions.length,
    'action',
  );
  const out = actions.map((row) =>
    row.map((a, i) => (mask[i] ? 0.5 * (a + 1) * (high[i]! - low[i]! + epsilon) + low[i]! : a)),
  );
  refuseNonFinite(out);
  return out;
}

/** Comparisons with NaN are all false, so a guard that clips actions would let it through to a robot. */
function refuseNonFinite(actions: readonly (readonly number[])[]): void {
  const step = actions.findIndex((row) => !row.every(Number.isFinite));
  if (step < 0) return;
  const dimension = actions[step]!.findIndex((value) => !Number.isFinite(value));
  throw new ModelError(
    'diverged',
    `The policy's action is not a number: ${actions[step]![dimension]} in dimension ${dimension} of step ${step}. Nothing was executed.`,
    'Its weights or its adapter are damaged or diverged in training. Load the policy again, without the adapter.',
  );
}

/** A raw state to −1…1, clipped there, mask-aware (openvla_utils.normalize_proprio). */
export function normalizeProprio(
  state: readonly number[],
  statistics: DatasetStatistics,
  profile: RobotProfile,
): number[] {
  const size = profile.state?.length ?? 0;
  if (state.length !== size || !state.every(Number.isFinite)) {
    throw new ModelError(
      'bad-input',
      `The state has ${state.length} values (${state.filter(Number.isFinite).length} of them finite), the policy wants ${size}.`,
      'Fill in every state field with a number.',
    );
  }
  if (!statistics.proprio) {
    throw new ModelError(
      'missing-statistics',
      'These statistics have no "proprio" part, but the policy takes a state.',
    );
  }
  const { low, high, mask } = bounds(statistics.proprio, profile.normalization, size, 'proprio');
  return state.map((x, i) => {
    const scaled = mask[i] ? (2 * (x - low[i]!)) / (high[i]! - low[i]! + 1e-8) - 1 : x;
    return Math.min(1, Math.max(-1, scaled));
  });
}

/**
 * Recorded actions [dim] to −1…1 for training, clipped there, mask-aware; dimensions that never change become 0
 * (openvla-oft data_utils.py normalize_action_and_proprio).
 */
export function normalizeActions(
  actions: ArrayLike<number>,
  statistics: DatasetStatistics,
  profile: RobotProfile,
): Float32Array {
  return normalizeForTraining(actions, statistics.action, profile, profile.actions.length, 'action');
}

/** A recorded state as training takes it: as `normalizeProprio`, but dimensions that never change become 0. */
export function normalizeTrainingProprio(
  state: ArrayLike<number>,
  statistics: DatasetStatistics,
  profile: RobotProfile,
): Float32Array {
  if (!statistics.proprio) {
    throw new ModelError(
      'missing-statistics',
      'These statistics have no "proprio" part, but the policy takes a state.',
    );
  }
  return normalizeForTraining(state, statistics.proprio, profile, profile.state?.length ?? 0, 'proprio');
}

function normalizeForTraining(
  values: ArrayLike<number>,
  field: FieldStatistics,
  profile: RobotProfile,
  size: number,
  what: string,
): Float32Array {
  const { low, high, mask } = bounds(field, profile.normalization, size, what);
  return Float32Array.from({ length: size }, (_, i) => {
    if (field.min[i] === field.max[i]) return 0;
    const x = values[i]!;
    return mask[i] ? Math.min(1, Math.max(-1, (2 * (x - low[i]!)) / (high[i]! - low[i]! + 1e-8) - 1)) : x;
  });
}
