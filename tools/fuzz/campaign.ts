/** One run of a campaign: damaged files are opened, every episode and some frames are read. */
import { ModelError } from '../../src/base/errors.ts';
import type { FuzzedFormat } from './formats.ts';
import { mutated, randomFrom, type Files } from './mutate.ts';

/** A reader may take this long on a processor, and this much memory, whatever a file says. */
export const MOST_MS = 2000;
export const MOST_BYTES = 256 * 2 ** 20;

export interface Outcome {
  readonly run: number;
  /** What was done to the files. */
  readonly faults: readonly string[];
  /** Codes of the typed errors, sorted; empty where everything was read. */
  readonly refused: readonly string[];
  /** Why the run failed; null where it did not. */
  readonly failure: string | null;
}

export async function fuzzOnce(
  format: FuzzedFormat,
  original: Files,
  seed: number,
  run: number,
): Promise<Outcome> {
  const { files, faults } = mutated(original, randomFrom(seed * 1_000_003 + run));
  const refused = new Set<string>();
  const untyped: unknown[] = [];
  const before = process.memoryUsage.rss();
  // Of the process, not of the clock: another program may have the machine.
  const start = process.cpuUsage();
  const attempt = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ModelError) refused.add(error.code);
      else untyped.push(error);
      return null;
    }
  };
  const dataset = await attempt(() => format.open(files));
  for (const { index } of dataset?.episodes ?? []) {
    const episode = await attempt(() => dataset!.open(index));
    for (const { name } of episode ? dataset!.cameras : []) {
      await attempt(() => episode!.frame(name, episode!.length - 1));
    }
    episode?.close();
  }
  await attempt(async () => dataset?.close());
  const used = process.cpuUsage(start);
  const elapsedMs = (used.user + used.system) / 1000;
  const grown = process.memoryUsage.rss() - before;
  const failure =
    untyped.length > 0
      ? untyped[0] instanceof Error
        ? (untyped[0].stack ?? untyped[0].message)
        : String(untyped[0])
      : elapsedMs > MOST_MS
        ? `took ${elapsedMs.toFixed(0)} ms`
        : grown > MOST_BYTES
          ? `memory grew by ${(grown / 2 ** 20).toFixed(0)} MB`
          : null;
  return { run, faults, refused: [...refused].toSorted(), failure };
}
