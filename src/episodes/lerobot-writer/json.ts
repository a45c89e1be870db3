/** JSON as lerobot's files hold it. */
import type { FeatureStatistics, Statistic } from './statistics.ts';

const encoder = new TextEncoder();

/** Readable, as lerobot writes `meta/info.json`. */
export const jsonFile = (value: unknown): Uint8Array<ArrayBuffer> =>
  encoder.encode(`${JSON.stringify(value, null, 4)}\n`);

/** One line a row. */
export const jsonLines = (rows: readonly unknown[]): Uint8Array<ArrayBuffer> =>
  encoder.encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

/**
 * A number that Python reads as a float. `1` would become an int, an array of them an integer tensor, and lerobot's normalisation
 * fails on those.
 */
export function floatText(value: number): string {
  const text = String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/**
 * Statistics by feature. Those of an image have the shape [3, 1, 1], so that they broadcast over its pixels.
 * @param keys which of them: v2.1 has no quantiles
 */
export function statisticsText(
  features: ReadonlyMap<string, FeatureStatistics>,
  isImage: (feature: string) => boolean,
  keys: readonly Statistic[],
): string {
  const entries = [...features].map(([name, statistics]) => {
    const list = (values: readonly number[]) =>
      `[${values.map((value) => (isImage(name) ? `[[${floatText(value)}]]` : floatText(value))).join(', ')}]`;
    const fields = keys.map((key) => `"${key}": ${list(statistics[key])}`);
    return `${JSON.stringify(name)}: {${[...fields, `"count": [${statistics.count}]`].join(', ')}}`;
  });
  return `{${entries.join(', ')}}`;
}
