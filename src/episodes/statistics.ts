/** Statistics of a dataset, as openvla-oft computes them (prismatic/vla/datasets/rlds/utils/data_utils.py). */
import { ModelError } from '../base/errors.ts';
import type { Dataset } from './dataset.ts';

export interface FieldStatistics {
  [key: string]: number[] | boolean[] | undefined;
  mean: number[];
  std: number[];
  max: number[];
  min: number[];
  q01: number[];
  q99: number[];
  mask?: boolean[];
}

/** One entry of dataset_statistics.json. */
export interface DatasetStatistics {
  [field: string]: unknown;
  action: FieldStatistics;
  proprio: FieldStatistics;
  num_transitions: number;
  num_trajectories: number;
}

export interface StatisticsOptions {
  /** Dimensions of the action that are normalised; default all. */
  readonly actionMask?: readonly boolean[];
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Reads every episode's actions and states, no frame.
 * @throws ModelError `cancelled`, `bad-file`, or `bad-input` for a dataset without steps
 */
export async function datasetStatistics(
  dataset: Dataset,
  options: StatisticsOptions = {},
): Promise<DatasetStatistics> {
  const actions: Float32Array[] = [];
  const states: Float32Array[] = [];
  for (const [i, { index }] of dataset.episodes.entries()) {
    if (options.signal?.aborted)
      throw new ModelError('cancelled', 'Reading the demonstrations was cancelled.');
    const episode = await dataset.open(index);
    actions.push(episode.actions);
    // Upstream fills a missing state with zeros of the action's size.
    states.push(episode.state ?? new Float32Array(episode.actions.length));
    episode.close();
    options.onProgress?.(i + 1, dataset.episodes.length);
  }
  const steps = dataset.episodes.reduce((sum, { length }) => sum + length, 0);
  if (steps === 0)
    throw new ModelError('bad-input', `${dataset.name} has no recorded steps.`, 'Record some.');
  const actionSize = dataset.actionNames.length;
  const stateSize = dataset.stateNames?.length ?? actionSize;
  return {
    action: {
      ...fieldStatistics(actions, actionSize),
      mask: options.actionMask ? [...options.actionMask] : Array.from({ length: actionSize }, () => true),
    },
    proprio: fieldStatistics(states, stateSize),
    num_transitions: steps,
    num_trajectories: dataset.episodes.length,
  };
}

/** Per column of rows [n, size]: population standard deviation, and quantiles by linear interpolation, as NumPy's. */
export function fieldStatistics(parts: readonly Float32Array[], size: number): FieldStatistics {
  const count = parts.reduce((sum, part) => sum + part.length / size, 0);
  const columns = Array.from({ length: size }, (_, column) => {
    const values = new Float32Array(count);
    let at = 0;
    for (const part of parts) for (let i = column; i < part.length; i += size) values[at++] = part[i]!;
    return summary(values);
  });
  const list = (key: keyof ReturnType<typeof summary>) => columns.map((column) => column[key]);
  return {
    mean: list('mean'),
    std: list('std'),
    max: list('max'),
    min: list('min'),
    q01: list('q01'),
    q99: list('q99'),
  };
}

/** Sums are rounded to float32 at every step, as NumPy rounds those of `rows.mean(0)` and `rows.std(0)`: equal to upstream's to the bit. */
function summary(values: Float32Array) {
  const { fround } = Math;
  let sum = 0;
  for (const x of values) sum = fround(sum + x);
  const mean = fround(sum / values.length);
  let squares = 0;
  for (const x of values) {
    const distance = fround(x - mean);
    squares = fround(squares + fround(distance * distance));
  }
  const sorted = values.toSorted();
  const quantile = (q: number) => {
    const at = q * (sorted.length - 1);
    const below = sorted[Math.floor(at)]!;
    return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at));
  };
  return {
    mean,
    std: fround(Math.sqrt(fround(squares / values.length))),
    max: sorted.at(-1)!,
    min: sorted[0]!,
    q01: quantile(0.01),
    q99: quantile(0.99),
  };
}
