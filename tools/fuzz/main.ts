/** npm run fuzz: opens damaged files by the thousand. What must not happen is an untyped error, a hang, or memory without end. */
import { Worker } from 'node:worker_threads';
import { campaignOptions } from './campaign-options.ts';
import { MOST_MS, type Outcome } from './campaign.ts';
import { FORMATS } from './formats.ts';

const USAGE = `npm run fuzz -- --format NAME [--runs N] [--seed S] [--first N]

Damages a small file of a format in ways that the seed chooses, opens it, and reads every episode and a frame of each camera.
A run fails with an error that is not a ModelError, after ${MOST_MS / 1000} s, or when memory grows by more than 256 MB.`;

const { names, runs, seed, first } = campaignOptions(USAGE, 'format', Object.keys(FORMATS));
/** Loading the thread and its decoders. */
const START_MS = 60_000;
const SHOWN_FAILURES = 20;

/** @returns the run after the last one that was done */
function runThread(
  name: string,
  from: number,
  end: number,
  use: (outcome: Outcome) => void,
): Promise<number> {
  return new Promise((resolve) => {
    let next = from;
    const worker = new Worker(new URL('../node/run.mjs', import.meta.url), {
      argv: [new URL('thread.ts', import.meta.url).pathname],
      workerData: { name, seed, first: from, end },
      resourceLimits: { maxOldGenerationSizeMb: 1024 },
    });
    const fail = (failure: string) => {
      use({ run: next, faults: [], refused: [], failure });
      void worker.terminate();
      resolve(next + 1);
    };
    let timer = setTimeout(() => fail('it did not start'), START_MS);
    worker.on('message', (outcome: Outcome) => {
      use(outcome);
      next = outcome.run + 1;
      clearTimeout(timer);
      timer = setTimeout(() => fail('it hangs'), 5 * MOST_MS);
    });
    worker.on('error', (error) => {
      clearTimeout(timer);
      fail(`the thread died: ${error.message}`);
    });
    worker.on('exit', () => {
      clearTimeout(timer);
      resolve(Math.max(next, from));
    });
  });
}

let failed = 0;
for (const name of names) {
  const counts = new Map<string, number>();
  let done = 0;
  const use = ({ run, faults, refused, failure }: Outcome) => {
    done += 1;
    const key = failure === null ? refused.join(' and ') || 'read whole' : 'FAILED';
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (failure !== null && ++failed <= SHOWN_FAILURES) {
      console.error(`${name} run ${run}: ${failure}\n  ${faults.join('\n  ')}`);
    }
    if (done % 10_000 === 0) console.log(`${name}: ${done} of ${runs}`);
  };
  const start = performance.now();
  for (let next = first; next < first + runs;) next = await runThread(name, next, first + runs, use);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const told = [...counts].toSorted((a, b) => b[1] - a[1]).map(([key, count]) => `${count} ${key}`);
  console.log(`${name}, seed ${seed}: ${done} runs in ${seconds} s: ${told.join(', ')}`);
}
if (failed > 0) process.exit(1);
process.exit(0);
