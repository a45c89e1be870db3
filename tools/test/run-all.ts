/** The project's whole test: `npm test`, or with --full what that leaves out. After a failure nothing new is started. */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArguments } from '../node/arguments.ts';
import { countsOf, type Counts } from './counts.ts';
import { FAST, FULL, RESULTS, type Step } from './steps.ts';

const { values } = parseArguments(
  `usage: npm test, or npm run test:full

Runs the steps of the test, two cores' worth of them at a time, and sums up what was run, what was not, and why.

  --full    the steps that take longer, which npm test leaves out`,
  { options: { full: { type: 'boolean', default: false } } },
);

/** What the steps share. */
const CORES = 2;
/** Lines of a step's output that may tell why it was skipped. */
const KEPT_LINES = 50;

interface Done extends Counts {
  readonly step: Step;
  readonly time: string;
}

const steps = values.full ? FULL : FAST;
const started = Date.now();
const done: Done[] = [];
const running = new Set<Promise<void>>();

const wordFor = ({ passed, failed }: Counts): string =>
  failed > 0 ? 'FAILED' : passed > 0 ? 'passed' : 'skipped';
const secondsSince = (start: number): string => `${((Date.now() - start) / 1000).toFixed(1)} s`;

async function run(step: Step): Promise<void> {
  const start = Date.now();
  const kept: string[] = [];
  console.log(`\n== ${step.name}`);
  const [command, ...args] = step.command;
  const child = spawn(command, args, {
    env: { ...process.env, ...step.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      kept.push(line);
      if (kept.length > KEPT_LINES) kept.shift();
      // Of steps that run side by side, each line says whose it is.
      console.log(running.size > 1 ? `[${step.name}] ${line}` : line);
    });
  }
  const good = await new Promise<boolean>((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve(false);
    });
    child.once('close', (status) => resolve(status === 0));
  });
  const counts = countsOf(step, good, kept.join('\n'));
  const time = secondsSince(start);
  console.log(`== ${step.name}: ${wordFor(counts)} in ${time}`);
  done.push({ step, time, ...counts });
}

rmSync(RESULTS, { recursive: true, force: true });
mkdirSync(RESULTS, { recursive: true });
let free = CORES;
for (const step of steps) {
  while (free < step.cores) await Promise.race(running);
  if (done.some(({ failed }) => failed > 0)) break;
  free -= step.cores;
  const task = run(step).finally(() => {
    free += step.cores;
    running.delete(task);
  });
  running.add(task);
}
await Promise.all(running);

console.log('\n== summary');
for (const one of done) {
  const { step, time, passed, failed, skipped } = one;
  const counts = step.report ? `   ${passed} passed, ${failed} failed, ${skipped.length} skipped` : '';
  console.log(`${wordFor(one).padEnd(9)}${step.name.padEnd(17)}${time.padStart(9)}${counts}`);
}
for (const step of steps) {
  if (!done.some((one) => one.step === step)) console.log(`not run: ${step.name}: a step before it failed`);
}
for (const name of done.flatMap(({ skipped }) => skipped)) console.log(`skipped: ${name}`);
if (!values.full) {
  for (const { name, about } of FULL)
    if (about) console.log(`full only (npm run test:full): ${name}: ${about}`);
}
console.log(
  'by hand (npx playwright test --project lesson): a whole lesson from "Teach it this" to its verdict',
);
// Once more at the end: of a long output, often only that is kept.
for (const { step, failures } of done)
  for (const failure of failures) console.log(`failed: ${step.name}: ${failure}`);
const sum = (of: (one: Done) => number): number => done.reduce((all, one) => all + of(one), 0);
console.log(`in ${secondsSince(started)}`);
console.log(
  [
    `${sum(({ passed }) => passed)} passed`,
    `${sum(({ failed }) => failed)} failed`,
    `${sum(({ skipped }) => skipped.length)} skipped`,
  ].join(', '),
);
if (done.length < steps.length || done.some(({ failed }) => failed > 0)) process.exitCode = 1;
