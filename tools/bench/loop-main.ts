/** `npm run bench:loop`: how evenly a robot gets its commands while the policy predicts and the page draws. */
import { cpus, loadavg } from 'node:os';
import { openHarness } from '../harness/browser.ts';
import type { LoopBench } from '../harness/loop-job.ts';
import { parseArguments } from '../node/arguments.ts';

const USAGE = `usage: npm run bench:loop -- [options]

In Chromium: the simulated SO-101 gets commands at 30 Hz and is drawn, while the shipped policy predicts on WASM; with and
without predicting ahead. Prints how far the time between two commands is from a period, and how long predictions take.

  --seconds N     of each way (default 30)
  --without WHAT  leaves out the "picture" for people, or the "policy", whose first answer is given again then; can be given
                  twice. What the jitter falls by is what that costs it`;

const args = parseArguments(USAGE, {
  options: { seconds: { type: 'string', default: '30' }, without: { type: 'string', multiple: true } },
});
const without = args.values.without ?? [];
for (const part of without)
  if (part !== 'picture' && part !== 'policy')
    throw args.wrong(`--without is "${part}"; it can be "picture" or "policy".`);
const seconds = args.wholeNumber('seconds', 1);

console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown CPU'}, load ${loadavg()[0]!.toFixed(1)}`);
const browser = await openHarness();
const benches = await browser.run<LoopBench[]>('loop', {
  backend: 'wasm',
  url: '/models/default/manifest.json',
  steps: 30 * seconds,
  without,
});
await browser.close();
for (const { ahead, periodMs, commands, predictionMs } of benches) {
  const gaps = commands.slice(1).map(({ atMs, asked }, i) => ({
    off: Math.abs(atMs - commands[i]!.atMs - periodMs),
    // Waiting for a prediction is not jitter.
    within: asked !== null && commands[i]!.asked !== null,
  }));
  const all = gaps.filter(({ within }) => within).map(({ off }) => off);
  const holds = commands.filter(({ asked }) => asked === null).length;
  console.log(
    `${ahead ? 'predicting ahead' : 'waiting for each'}: ${commands.length} commands, of them ${holds} to hold; off a period of ${periodMs.toFixed(1)} ms by ` +
      `p50 ${quantile(all, 0.5)}, p90 ${quantile(all, 0.9)}, p99 ${quantile(all, 0.99)} ms (aim 10), at most ${quantile(all, 1)}; ` +
      `prediction p50 ${quantile(predictionMs, 0.5)}, p99 ${quantile(predictionMs, 0.99)} ms`,
  );
}
process.exit(0);

function quantile(values: readonly number[], q: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN).toFixed(1);
}
