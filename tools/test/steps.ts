/** What is tested, step by step: by `npm test`, and by `npm run test:full` what takes longer. */
import { join } from 'node:path';

/** Where steps leave their reports. */
export const RESULTS = 'node_modules/.cache/test-results';

export interface Step {
  readonly name: string;
  /** How many it keeps busy: two steps of one core run side by side. */
  readonly cores: 1 | 2;
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** The report that says how many tests passed; a step without is one test. */
  readonly report?: { readonly from: 'vitest' | 'playwright' | 'parity'; readonly file: string };
  /** For a step of the full test: what it runs that `npm test` does not. */
  readonly about?: string;
}

const reportOf = (name: string): string => join(RESULTS, `${name.replaceAll(' ', '-')}.json`);

const tool = (path: string, ...args: string[]): [string, ...string[]] => [
  'node',
  'tools/node/run.mjs',
  path,
  ...args,
];

function vitest(name: string, ...projects: string[]): Step {
  const file = reportOf(name);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  return {
    name,
    cores: 2,
    command: ['npx', 'vitest', 'run', ...reporters, ...projects.map((project) => `--project=${project}`)],
    report: { from: 'vitest', file },
  };
}

function playwright(name: string, project: string): Step {
  const file = reportOf(name);
  return {
    name,
    cores: 2,
    command: ['npx', 'playwright', 'test', '--project', project, '--reporter=list,json'],
    env: { SITE_BUILT: '1', PLAYWRIGHT_JSON_OUTPUT_NAME: file },
    report: { from: 'playwright', file },
  };
}

function parity(name: string, ...args: string[]): Step {
  const file = reportOf(name);
  return {
    name,
    cores: 2,
    command: tool('tools/parity/all.ts', `--json=${file}`, ...args),
    report: { from: 'parity', file },
  };
}

const browser: Step = {
  name: 'browser',
  cores: 2,
  command: tool('tools/node/find-chromium.ts', '--install'),
};
const build: Step = { name: 'build', cores: 1, command: tool('e2e/build-site.ts') };

export const FAST: readonly Step[] = [
  browser,
  { name: 'format', cores: 1, command: ['npx', 'oxfmt', '--check'] },
  { name: 'types', cores: 1, command: ['npx', 'tsc', '-p', 'tsconfig.json'] },
  { name: 'lint', cores: 1, command: ['npx', 'oxlint', '--type-aware', '--deny-warnings'] },
  build,
  vitest('unit tests', 'node', 'isolated', 'chromium'),
  parity('parity'),
  playwright('journeys', 'journeys'),
];

export const FULL: readonly Step[] = [
  browser,
  build,
  {
    ...vitest('long unit tests', 'full'),
    about:
      'a pretraining that is stopped and goes on, twenty kills of a training run and of the server, a GPU device lost in a step, fuzzing with 20 times the runs',
  },
  {
    ...vitest('kernels in Chromium', 'chromium-full'),
    about: 'every kernel in Chromium; `npm test` runs them on Dawn in Node',
  },
  {
    ...parity('long parity', '--full'),
    about:
      'five steps of every golden training on wasm (`npm test` takes five of one and one of the others); every op and golden case on webgpu in software, forward and in training; a LLaMA-2-7B layer',
  },
  {
    name: 'interop',
    cores: 2,
    command: tool('tools/interop/main.ts'),
    about: 'our exports in real torch and PEFT, where Python has them',
  },
  {
    name: 'load',
    cores: 2,
    command: tool('tools/bench/load-main.ts', '--runs=1'),
    env: { SITE_BUILT: '1' },
    about: 'what a first visit to the built page fetches',
  },
  {
    ...playwright('long journeys', 'full'),
    about:
      'other static hosts, uploads that break off, axe in every state, training and streaming on WebGPU in software, an upload that is given up, rehearsal, datasets taught and shared',
  },
];
