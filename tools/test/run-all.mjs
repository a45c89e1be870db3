// The project's whole test: types, lint, format, unit tests (Node and Chromium), parity, page. Stops at the first failure.
import { spawnSync } from 'node:child_process';

/** @type {[string, string, string[]][]} */
const steps = [
  ['browser', 'node', ['tools/node/run.mjs', 'tools/node/find-chromium.ts', '--install']],
  ['types', 'npx', ['tsc', '-p', 'tsconfig.json']],
  ['lint', 'npx', ['oxlint', '--type-aware', '--deny-warnings']],
  ['format', 'npx', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['unit tests', 'npx', ['vitest', 'run']],
  ['parity', 'node', ['tools/node/run.mjs', 'tools/parity/all.ts']],
  ['page', 'npx', ['playwright', 'test']],
];

for (const [name, command, args] of steps) {
  const start = Date.now();
  console.log(`\n== ${name}`);
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  console.log(
    `== ${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${((Date.now() - start) / 1000).toFixed(1)} s`,
  );
  if (status !== 0) process.exit(status ?? 1);
}
