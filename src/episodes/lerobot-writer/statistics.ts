/**
 * Statistics of an episode's features, and of all of them together, as lerobot computes them (lerobot/datasets/compute_stats.py):
 * images are sampled and thinned out in the same way, and quantiles of all are the weighted mean of those of the episodes.
 */
import type { FrameImage } from '../dataset.ts';

export const QUANTILES = { q01: 0.01, q10: 0.1, q50: 0.5, q90: 0.9, q99: 0.99 } as const;
export const STATISTICS = ['min', 'max', 'mean', 'std', ...(Object.keys(QUANTILES) as Quantile[])] as const;
type Quantile = keyof typeof QUANTILES;
export type Statistic = (typeof STATISTICS)[number];

/** One number per dimension or, of an image, per channel. */
export interface FeatureStatistics extends Readonly<Record<Statistic, readonly number[]>> {
  /** Steps, or images that were looked at. */
  readonly count: number;
}

/**
 * Per column of rows [n, size]. Values that are not finite are left out: one NaN would otherwise make every number of the whole
 * dataset NaN.
 */
export function vectorStatistics(values: ArrayLike<number>, size: number): FeatureStatistics {
  const count = values.length / size;
  const columns = Array.from({ length: size }, (_, column) => {
    const finite: number[] = [];
    for (let i = column; i < values.length; i += size) {
      if (Number.isFinite(values[i])) finite.push(values[i]!);
    }
    const sorted = Float64Array.from(finite).toSorted();
    const mean = sum(sorted, (x) => x) / (sorted.length || 1);
    const variance = sum(sorted, (x) => (x - mean) ** 2) / (sorted.length || 1);
    return summary(sorted.length, (rank) => sorted[rank] ?? 0, mean, variance);
  });
  return collected(columns, count);
}

function sum(values: Float64Array, of: (value: number) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}

/** @param at the value of a rank, 0 to count − 1 */
function summary(count: number, at: (rank: number) => number, mean: number, variance: number) {
  // The smallest value that a share of q does not exceed. lerobot reads it off a histogram of 5000 bins, and is off by up to one.
  const quantile = (q: number) => at(Math.max(0, Math.ceil(q * count) - 1));
  const quantiles = Object.entries(QUANTILES).map(([key, q]) => [key, quantile(q)]);
  return {
    min: at(0),
    max: at(Math.max(0, count - 1)),
    mean,
    std: Math.sqrt(variance),
    ...(Object.fromEntries(quantiles) as Record<Quantile, number>),
  };
}

function collected(columns: readonly Record<Statistic, number>[], count: number): FeatureStatistics {
  const lists = STATISTICS.map((key) => [key, columns.map((column) => column[key])]);
  return { ...(Object.fromEntries(lists) as Record<Statistic, number[]>), count };
}

/** Below this side an image is looked at whole; a larger one is thinned out to about `TARGET_SIDE`. */
const WHOLE_BELOW = 300;
const TARGET_SIDE = 150;

/** The steps whose images are looked at, of an episode of `length`. */
export function sampledSteps(length: number): ReadonlySet<number> {
  const wanted = Math.max(Math.min(length, 100), Math.min(Math.floor(length ** 0.75), 10_000));
  if (wanted <= 1) return new Set([0]);
  return new Set(Array.from({ length: wanted }, (_, i) => Math.round((i * (length - 1)) / (wanted - 1))));
}

/** Collects an episode's images of one camera: per channel how often each byte occurs. Values are of 0…1. */
export class ImageStatistics {
  readonly #counts = [0, 1, 2].map(() => new Float64Array(256));
  #images = 0;

  add({ width, height, data }: FrameImage): void {
    const side = Math.max(width, height);
    const stride = side < WHOLE_BELOW ? 1 : Math.floor(side / TARGET_SIDE);
    const [red, green, blue] = this.#counts as [Float64Array, Float64Array, Float64Array];
    for (let y = 0; y < height; y += stride) {
      for (let x = 0; x < width; x += stride) {
        const at = (y * width + x) * 4;
        red[data[at]!]!++;
        green[data[at + 1]!]!++;
        blue[data[at + 2]!]!++;
      }
    }
    this.#images++;
  }

  finish(): FeatureStatistics {
    return collected(this.#counts.map(channelSummary), this.#images);
  }
}

function channelSummary(counts: Float64Array) {
  const upTo = new Float64Array(256);
  let [total, first, second] = [0, 0, 0];
  counts.forEach((count, value) => {
    upTo[value] = total += count;
    first += count * value;
    second += count * value * value;
  });
  const mean = first / total;
  const at = (rank: number) => upTo.findIndex((count) => count > rank) / 255;
  return summary(total, at, mean / 255, Math.max(0, second / total - mean ** 2) / 255 ** 2);
}

/** Statistics of all episodes from those of each. */
export class TotalStatistics {
  readonly #features = new Map<string, FeatureStatistics[]>();

  add(episode: ReadonlyMap<string, FeatureStatistics>): void {
    for (const [name, statistics] of episode) {
      const known = this.#features.get(name);
      if (known) known.push(statistics);
      else this.#features.set(name, [statistics]);
    }
  }

  finish(): Map<string, FeatureStatistics> {
    return new Map([...this.#features].map(([name, parts]) => [name, together(parts)]));
  }
}

function together(parts: readonly FeatureStatistics[]): FeatureStatistics {
  const count = parts.reduce((total, part) => total + part.count, 0);
  const dimensions = parts[0]!.mean.map((_, i) => {
    const weighted = (of: (part: FeatureStatistics) => number) =>
      parts.reduce((total, part) => total + of(part) * part.count, 0) / count;
    const mean = weighted((part) => part.mean[i]!);
    const variance = weighted((part) => part.std[i]! ** 2 + (part.mean[i]! - mean) ** 2);
    const quantiles = Object.keys(QUANTILES).map((key) => [
      key,
      weighted((part) => part[key as Quantile][i]!),
    ]);
    return {
      min: Math.min(...parts.map((part) => part.min[i]!)),
      max: Math.max(...parts.map((part) => part.max[i]!)),
      mean,
      std: Math.sqrt(variance),
      ...(Object.fromEntries(quantiles) as Record<Quantile, number>),
    };
  });
  return collected(dimensions, count);
}
