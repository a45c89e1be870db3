/** npm run fuzz:readers: damaged manifests, adapters, archives, statistics … by the thousand. No untyped error, no number that is not finite. */
import { ModelError } from '../../src/base/errors.ts';
import { campaignOptions } from './campaign-options.ts';
import { MOST_BYTES, MOST_MS } from './campaign.ts';
import { mutated, randomFrom } from './mutate.ts';
import { READERS, type FuzzedReader } from './readers.ts';

const USAGE = `npm run fuzz:readers -- [--reader NAME] [--runs N] [--seed S] [--first N]

Damages what a reader reads in ways that the seed chooses. A run fails with an error that is not a ModelError, with a number that
is not finite in what was read, after ${MOST_MS / 1000} s of processor, or when memory grows by more than 256 MB.`;

const { names, runs, seed, first } = campaignOptions(USAGE, 'reader', Object.keys(READERS));

let failures = 0;
for (const name of names) {
  const reader = READERS[name]!;
  const original = await reader.load();
  await reader.read(original);
  const counts = new Map<string, number>();
  const start = performance.now();
  for (let run = first; run < first + runs; run++) {
    const outcome = await once(reader, original, run);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    if (!outcome.startsWith('FAILED')) continue;
    failures++;
    if (counts.get(outcome)! <= 3) console.log(`${name}, run ${run}: ${outcome}`);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const said = [...counts].toSorted(([, a], [, b]) => b - a).map(([what, count]) => `${count} ${what}`);
  console.log(`${name}: ${runs} runs, ${seconds} s: ${said.slice(0, 8).join(', ')}`);
}
console.log(`${failures} failed`);
process.exitCode = failures > 0 ? 1 : 0;

/** `read`, the code of a typed error, or why it failed. */
async function once(reader: FuzzedReader, original: Uint8Array<ArrayBuffer>, run: number): Promise<string> {
  const { files } = mutated(new Map([[reader.name, original]]), randomFrom(seed * 1_000_003 + run));
  const bytes = files.get(reader.name);
  if (bytes === undefined) return 'missing';
  const memory = process.memoryUsage.rss();
  const start = process.cpuUsage();
  let outcome = 'read';
  try {
    if (!allFinite(await reader.read(bytes))) outcome = 'FAILED: a number that is not finite was accepted';
  } catch (error) {
    outcome =
      error instanceof ModelError
        ? error.code
        : `FAILED: ${error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' ') : String(error)}`;
  }
  const used = process.cpuUsage(start);
  if ((used.user + used.system) / 1000 > MOST_MS) return 'FAILED: too slow';
  if (process.memoryUsage.rss() - memory > MOST_BYTES) return 'FAILED: too much memory';
  return outcome;
}

function allFinite(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(allFinite);
}
