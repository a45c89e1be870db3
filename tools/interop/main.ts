/**
 * `npm run test:interop`: what we export holds in real torch and PEFT, what they save can be imported, and real lerobot reads the
 * datasets that we write (README.md).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { parseArguments } from '../node/arguments.ts';
import { compareActions, importFromPython } from './compare.ts';
import { checkData } from './data.ts';
import { CASES } from './golden-state.ts';
import { prepare } from './prepare.ts';
import { findPython, runPython } from './python.ts';

const USAGE = `usage: npm run test:interop -- [<case> …]

Exports golden cases, loads them with real torch and PEFT, compares the actions with ours, and imports what torch and PEFT
save in turn. Writes LeRobot datasets in every way there is, and lets real lerobot read them and train on them. Prints
"skipped: …" for what is not installed (tools/interop/README.md). Exit 1 when a check fails.

  <case>    of data, ${CASES.join(', ')} (default: all of them)`;

const DATA = 'data';
const args = parseArguments(USAGE, { allowPositionals: true, options: {} });
const cases = args.positionals.length > 0 ? args.positionals : [DATA, ...CASES];
const unknown = cases.find((name) => name !== DATA && !CASES.some((known) => known === name));
if (unknown !== undefined)
  throw args.wrong(`There is no case "${unknown}"; expected: ${[DATA, ...CASES].join(', ')}.`);
const work = mkdtempSync(join(tmpdir(), 'openvla-interop-'));
try {
  const golden = cases.filter((name) => name !== DATA);
  let good = golden.length === 0 || (await checkGolden(golden));
  if (cases.includes(DATA)) good = (await checkData(work)) && good;
  process.exitCode = good ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function checkGolden(names: readonly string[]): Promise<boolean> {
  const python = findPython();
  if ('missing' in python) {
    console.log(`skipped: ${python.missing}; tools/interop/README.md says how to get the Python side.`);
    return true;
  }
  const runtime = await createNodeRuntime();
  try {
    return await run(python, work, runtime, names);
  } finally {
    await runtime.dispose();
  }
}

async function run(
  at: { path: string },
  folder: string,
  runtime: Runtime,
  names: readonly string[],
): Promise<boolean> {
  const prepared = [];
  for (const name of names) prepared.push(await prepare(name, join(folder, name), runtime));
  console.log(runPython(at, resolve('tools/interop/check.py'), folder));
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
