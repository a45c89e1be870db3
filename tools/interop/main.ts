/** `npm run test:interop`: what we export holds in real torch and PEFT, and what they save can be imported (README.md). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { parseArguments } from '../node/arguments.ts';
import { compareActions, importFromPython } from './compare.ts';
import { CASES } from './golden-state.ts';
import { prepare } from './prepare.ts';
import { findPython, runPython } from './python.ts';

const USAGE = `usage: npm run test:interop -- [<case> …]

Exports golden cases, loads them with real torch and PEFT, compares the actions with ours, and imports what torch and PEFT
save in turn. Prints "skipped: …" where they are not installed (tools/interop/README.md). Exit 1 when a check fails.

  <case>    of ${CASES.join(', ')} (default: all of them)`;

const args = parseArguments(USAGE, { allowPositionals: true, options: {} });
const cases = args.positionals;
const unknown = cases.find((name) => !CASES.some((known) => known === name));
if (unknown !== undefined) throw args.wrong(`There is no case "${unknown}"; expected: ${CASES.join(', ')}.`);
const python = findPython();
if ('missing' in python) {
  console.log(`skipped: ${python.missing}; tools/interop/README.md says how to get the Python side.`);
} else {
  const work = mkdtempSync(join(tmpdir(), 'openvla-interop-'));
  const runtime = await createNodeRuntime();
  try {
    process.exitCode = (await run(python, work, runtime, cases.length > 0 ? cases : CASES)) ? 0 : 1;
  } finally {
    await runtime.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}

async function run(
  at: { path: string },
  work: string,
  runtime: Runtime,
  names: readonly string[],
): Promise<boolean> {
  const prepared = [];
  for (const name of names) prepared.push(await prepare(name, join(work, name), runtime));
  console.log(runPython(at, resolve('tools/interop/check.py'), work));
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
