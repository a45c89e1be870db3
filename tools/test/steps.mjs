/** What is tested, step by step: by `npm test`, and by `npm run test:full` what takes longer and a shorter test shows as well. */
import { join } from 'node:path';

/** Where steps leave their counts. */
export const RESULTS = 'node_modules/.cache/test-results';

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {1 | 2} cores how many it keeps busy: two steps of one core run side by side
 * @property {string[]} command
 * @property {Record<string, string>} [env]
 * @property {{ from: 'vitest' | 'playwright' | 'parity', file: string }} [counts] where it leaves how many tests passed; a step
 *   without is one test
 * @property {string} [why] for a step of the full test: what it runs, and why `npm test` does not
 */

const results = (/** @type {string} */ name) => join(RESULTS, `${name}.json`);
const tool = (/** @type {string[]} */ ...args) => ['node', 'tools/node/run.mjs', ...args];

/** @returns {Step} */
function vitest(/** @type {string} */ name, /** @type {string[]} */ ...projects) {
  const file = results(name);
  return {
    name,
    cores: 2,
    command: [
      'npx',
      'vitest',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...projects.flatMap((project) => ['--project', project]),
    ],
    counts: { from: 'vitest', file },
  };
}

/** @returns {Step} */
function playwright(/** @type {string} */ name, /** @type {string} */ project) {
  const file = results(name);
  return {
    name,
    cores: 2,
    command: ['npx', 'playwright', 'test', '--project', project, '--reporter=list,json'],
    env: { SITE_BUILT: '1', PLAYWRIGHT_JSON_OUTPUT_NAME: file },
    counts: { from: 'playwright', file },
  };
}

/** @returns {Step} */
function parity(/** @type {string} */ name, /** @type {string[]} */ ...args) {
  const file = results(name);
  return {
    name,
    cores: 2,
    command: tool('tools/parity/all.ts', `--json=${file}`, ...args),
    counts: { from: 'parity', file },
  };
}

/** @type {Step} */
const browser = { name: 'browser', cores: 2, command: tool('tools/node/find-chromium.ts', '--install') };
/** @type {Step} */
const build = { name: 'build', cores: 1, command: tool('e2e/build-site.ts') };

/** @type {Step[]} */
export const FAST = [
  browser,
  { name: 'format', cores: 1, command: ['npx', 'prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'types', cores: 1, command: ['npx', 'tsc', '-p', 'tsconfig.json'] },
  { name: 'lint', cores: 1, command: ['npx', 'oxlint', '--type-aware', '--deny-warnings'] },
  build,
  vitest('unit tests', 'node', 'chromium'),
  parity('parity'),
  playwright('journeys', 'journeys'),
];

/** @type {Step[]} */
export const FULL = [
  browser,
  build,
  {
    ...vitest('long unit tests', 'full'),
    why: 'twenty kills each of a training run and of the server, a GPU device lost in a step, fuzzing with 20 times the runs',
  },
  {
    ...parity('long parity', '--full'),
    why: 'every golden case on webgpu in software, forward and in training, one with all five steps; a LLaMA-2-7B layer',
  },
  {
    name: 'interop',
    cores: 2,
    command: tool('tools/interop/main.ts'),
    why: 'our exports in real torch and PEFT (needs Python with both)',
  },
  {
    name: 'load',
    cores: 2,
    command: tool('tools/bench/load-main.ts', '--runs=1'),
    env: { SITE_BUILT: '1' },
    why: 'what a first visit to the built page fetches',
  },
  {
    ...playwright('long journeys', 'full'),
    why: 'training and streaming on WebGPU in software, an upload that is given up, rehearsal, twenty trials before and after',
  },
];
