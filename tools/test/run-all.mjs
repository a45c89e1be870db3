// The project's whole test: `npm test`, or with --full what that leaves out. After a failure nothing new is started.
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { countsOf } from './counts.mjs';
import { FAST, FULL, RESULTS } from './steps.mjs';

const CORES = 2;
/** Lines of output that may tell why a step was skipped. */
const KEPT_LINES = 50;

const full = process.argv.includes('--full');
const steps = full ? FULL : FAST;
const started = Date.now();
const seconds = (/** @type {number} */ since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

rmSync(RESULTS, { recursive: true, force: true });
mkdirSync(RESULTS, { recursive: true });

/**
 * @typedef {import('./counts.mjs').Counts & { step: import('./steps.mjs').Step, good: boolean, time: string }} Done
 * @type {Done[]}
 */
const done = [];
/** @type {Set<Promise<void>>} */
const running = new Set();
let free = CORES;

/** Lines of steps that run side by side carry their step's name. */
function relay(
  /** @type {NodeJS.ReadableStream} */ stream,
  /** @type {string} */ name,
  /** @type {string[]} */ kept,
) {
  createInterface({ input: stream }).on('line', (line) => {
    kept.push(line);
    if (kept.length > KEPT_LINES) kept.shift();
    console.log(running.size > 1 ? `[${name}] ${line}` : line);
  });
}

/** @returns {Promise<void>} */
async function run(/** @type {import('./steps.mjs').Step} */ step) {
  const start = Date.now();
  /** @type {string[]} */
  const kept = [];
  console.log(`\n== ${step.name}`);
  const [command, ...args] = step.command;
  const child = spawn(command, args, {
    env: { ...process.env, ...step.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
  relay(child.stdout, step.name, kept);
  relay(child.stderr, step.name, kept);
  const status = await new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once('close', resolve);
  });
  const good = status === 0;
  const time = seconds(start);
  console.log(`== ${step.name}: ${good ? 'passed' : 'FAILED'} in ${time}`);
  done.push({ step, good, time, ...countsOf(step, good, kept.join('\n')) });
}

for (const step of steps) {
  while (free < step.cores) await Promise.race(running);
  if (done.some(({ good }) => !good)) break;
  free -= step.cores;
  const task = run(step).finally(() => {
    free += step.cores;
    running.delete(task);
  });
  running.add(task);
}
await Promise.all(running);

console.log('\n== summary');
for (const { step, good, time, passed, failed, skipped } of done) {
  const counts = step.counts ? `${passed} passed, ${failed} failed, ${skipped.length} skipped` : '';
  const word = !good ? 'FAILED' : passed > 0 ? 'passed' : 'skipped';
  console.log(`${word.padEnd(8)}${step.name.padEnd(18)}${time.padStart(9)}   ${counts}`.trimEnd());
}
for (const step of steps.filter((each) => !done.some((one) => one.step === each)))
  console.log(`not run ${step.name}: a step before it failed`);
for (const name of done.flatMap(({ skipped }) => skipped)) console.log(`skipped: ${name}`);
if (!full)
  for (const { name, why } of FULL) if (why) console.log(`full only (npm run test:full): ${name}: ${why}`);

const sum = (/** @type {(one: Done) => number} */ of) => done.reduce((all, one) => all + of(one), 0);
console.log(`in ${seconds(started)}`);
console.log(
  `${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed, ${sum(({ skipped }) => skipped.length)} skipped`,
);
process.exitCode =
  done.length === steps.length && done.every(({ good, failed }) => good && failed === 0) ? 0 : 1;
