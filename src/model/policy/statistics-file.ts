/** dataset_statistics.json, which people also write by hand: what is wrong with it is said at once, by field. */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import { datasetStatisticsSchema, type DatasetStatistics } from './statistics.ts';

/** Dimensions that the policy has; null where that is not known, or where it takes no state. */
export interface StatisticsNeeds {
  readonly actions: number | null;
  readonly proprio: number | null;
}

const FIELDS = ['mean', 'std', 'min', 'max', 'q01', 'q99'] as const;
const ANY: StatisticsNeeds = { actions: null, proprio: null };
const HOW_TO_MEND =
  'finetune.py writes this file: copy it from the run, or compute every field over the training data again.';

/**
 * @param needs what the entries have to cover
 * @param only the key that the policy uses, where others may be of other robots: they are only checked for what each entry has to be
 * @throws ModelError `bad-file` naming the field, what was found and what is needed; `missing-statistics` where there are none, or they
 * are of another robot
 */
export function parseStatistics(
  json: unknown,
  file: string,
  needs: StatisticsNeeds,
  only: string | null = null,
): Readonly<Record<string, DatasetStatistics>> {
  if (!isObject(json)) throw wrong(file, 'it is not a JSON object');
  const keys = Object.keys(json);
  if (keys.length === 0) {
    throw new ModelError('missing-statistics', `${file} holds no statistics.`, HOW_TO_MEND);
  }
  if (isObject(json['action']) && FIELDS.some((field) => field in (json['action'] as object))) {
    throw wrong(
      file,
      `it has "action" at its top, where the name of a dataset is expected: {"my_dataset": {"action": …, "proprio": …}}`,
    );
  }
  const entries = keys.map((key) => {
    const wanted = only === null || key === only ? needs : ANY;
    return [key, parseEntry(json[key], `${file}: "${key}"`, wanted)] as const;
  });
  return Object.fromEntries(entries);
}

function parseEntry(value: unknown, where: string, needs: StatisticsNeeds): DatasetStatistics {
  if (!isObject(value)) throw wrong(where, 'it is not an object with "action" and "proprio"');
  checkField(value, 'action', needs.actions, where);
  if (needs.proprio !== null && value['proprio'] === undefined) {
    throw new ModelError(
      'missing-statistics',
      `${where} has no "proprio", but the policy takes a state of ${needs.proprio} values.`,
      HOW_TO_MEND,
    );
  }
  // Upstream writes zeros here for robots without a state; only a policy that takes one cares.
  if (needs.proprio !== null) checkField(value, 'proprio', needs.proprio, where);
  const parsed = v.safeParse(datasetStatisticsSchema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw wrong(where, `${v.getDotPath(issue) ?? 'its content'} is wrong: ${issue.message}`);
}

function checkField(
  entry: Record<string, unknown>,
  name: string,
  wanted: number | null,
  where: string,
): void {
  const field = entry[name];
  if (!isObject(field)) throw wrong(where, `it has no "${name}"`);
  const sizes = FIELDS.map((statistic) => sizeOf(field[statistic], `${name}.${statistic}`, where));
  const size = wanted ?? sizes[0]!;
  for (const [i, found] of sizes.entries()) {
    if (found === size) continue;
    throw new ModelError(
      'missing-statistics',
      `${where}: ${name}.${FIELDS[i]} has ${found} values, ${wanted === null ? `${name}.mean` : 'the policy'} ${size}.`,
      'The statistics belong to another robot, or are incomplete. Use those of the run that trained this policy.',
    );
  }
  const { mask } = field;
  if (mask !== undefined && (!Array.isArray(mask) || mask.length !== size)) {
    throw wrong(
      where,
      `${name}.mask has ${Array.isArray(mask) ? mask.length : 'no'} values, expected ${size}`,
    );
  }
}

function sizeOf(values: unknown, path: string, where: string): number {
  if (values === undefined) throw wrong(where, `it has no "${path}"`);
  if (!Array.isArray(values)) throw wrong(where, `${path} is not a list of numbers`);
  const at = values.findIndex((value) => typeof value !== 'number' || !Number.isFinite(value));
  if (at !== -1) throw wrong(where, `${path}[${at}] is ${String(values[at])}, expected a finite number`);
  return values.length;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(where: string, what: string): ModelError {
  return new ModelError('bad-file', `${where}: ${what}.`, HOW_TO_MEND);
}
