/**
 * `npm run test:interop`: what we export holds in real torch and PEFT, what they save can be imported, and real lerobot reads the
 * datasets that we write (README.md).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import { parseArguments } from '../node/arguments.ts';
import { compareActions, importFromPython } from './compare.ts';
import { checkData } from './data.ts';
import { CASES } from './golden-state.ts';
import { goldenSubject, prepare, type Prepared } from './prepare.ts';
import { findPython, runPython } from './python.ts';
import { ROBOT_DATASETS, robotSubjects } from './robots.ts';

const USAGE = `usage: npm run test:interop -- [<case> …]

Exports golden cases, and what the shipped policy learns of other robots' datasets, loads them with real torch and PEFT,
compares the actions with ours, and imports what torch and PEFT save in turn. Writes LeRobot datasets in every way there is,
and lets real lerobot read them and train on them. Prints "skipped: …" for what is not installed (tools/interop/README.md).
Exit 1 when a check fails.

  <case>            of data, robots, ${CASES.join(', ')} (default: all of them)
  --dataset PATH    for robots: a dataset to teach, can be given several times (default: ${ROBOT_DATASETS.length} of the tests')
  --steps N         for robots: optimiser steps (default 20)`;

const DATA = 'data';
const ROBOTS = 'robots';
const ALL = [DATA, ROBOTS, ...CASES];
const args = parseArguments(USAGE, {
  allowPositionals: true,
  options: { dataset: { type: 'string', multiple: true }, steps: { type: 'string', default: '20' } },
});
const steps = args.wholeNumber('steps', 1);
const cases = args.positionals.length > 0 ? args.positionals : ALL;
const unknown = cases.find((name) => !ALL.includes(name));
if (unknown !== undefined) throw args.wrong(`There is no case "${unknown}"; expected: ${ALL.join(', ')}.`);
const work = mkdtempSync(join(tmpdir(), 'openvla-interop-'));
try {
  const trained = cases.filter((name) => name !== DATA);
  let good = trained.length === 0 || (await checkTrained(trained));
  if (cases.includes(DATA)) good = (await checkData(work)) && good;
  process.exitCode = good ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function checkTrained(names: readonly string[]): Promise<boolean> {
  const python = findPython();
  if ('missing' in python) {
    console.log(`skipped: ${python.missing}; tools/interop/README.md says how to get the Python side.`);
    return true;
  }
  const runtime = await createNodeRuntime();
  try {
    const prepared = [];
    for (const name of names) {
      const subjects =
        name === ROBOTS
          ? await robotSubjects(args.values.dataset ?? ROBOT_DATASETS, steps, work)
          : [await goldenSubject(name)];
      for (const subject of subjects)
        prepared.push(await prepare(subject, join(work, subject.name), runtime));
    }
    return await judge(python, prepared);
  } finally {
    await runtime.dispose();
  }
}

async function judge(python: { path: string }, prepared: readonly Prepared[]): Promise<boolean> {
  console.log(runPython(python, resolve('tools/interop/check.py'), work));
  let good = true;
  for (const one of prepared) {
    const checks = [...(await compareActions(one)), ...(await importFromPython(one))];
    const failed = checks.filter(({ ok }) => !ok);
    console.log(`${one.name}: ${checks.length - failed.length} of ${checks.length} checks hold`);
    for (const { what, detail } of checks.filter((check) => check.what.startsWith('actions'))) {
      console.log(`  ${what}: ${detail}`);
    }
    for (const { what, detail } of failed) console.log(`  FAILED ${what}: ${detail}`);
    good &&= failed.length === 0;
  }
  return good;
}
