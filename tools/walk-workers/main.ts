/** `npm run walk:workers`: many random walks over the policy worker's calls (tests/workers/random-walk.test.ts). */
import { spawnSync } from 'node:child_process';
import { parseArguments } from '../node/arguments.ts';

const USAGE = `usage: npm run walk:workers [-- options]

Makes calls of the policy worker in random order and at random times, over a fake runtime, and checks that all of them end and that
nothing is left. A walk that fails is printed, and again with the same seed.

  --walks N   how many (default: 10000; about 20 a second)
  --seed N    another one makes other walks (default: 7)`;

const args = parseArguments(USAGE, { options: { walks: { type: 'string' }, seed: { type: 'string' } } });
const walks = args.wholeNumber('walks', 1) ?? 10_000;
const seed = args.wholeNumber('seed', 0) ?? 7;
const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--project', 'node', 'tests/workers/random-walk.test.ts'],
  {
    stdio: 'inherit',
    env: { ...process.env, WALKS: String(walks), WALK_SEED: String(seed) },
  },
);
process.exit(status ?? 1);
