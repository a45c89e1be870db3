/** `npm run build`: the page, with the policy that ships with it or with one of yours. */
import { resolve } from 'node:path';
import { build } from 'vite';
import { parseArguments } from '../node/arguments.ts';
import { defaultPolicy } from './default-policy.ts';

const USAGE = `usage: npm run build -- [options]

Builds the page into dist/, for the share server and for any static host, at its root or in a folder of it (docs/hosting.md).

  --policy FOLDER    a package (docs/packages.md) that the page opens with, in place of the practice table's policy
  --title TEXT       what the page is called (default: the package's name, or OpenVLA Web)
  --out FOLDER       where the page goes (default dist)
  --smallest         compresses as far as it goes: a first visit fetches 0.8 of 9.2 MB less; takes minutes`;

const { values } = parseArguments(USAGE, {
  options: {
    policy: { type: 'string' },
    title: { type: 'string' },
    out: { type: 'string', default: 'dist' },
    smallest: { type: 'boolean', default: false },
  },
});
if (values.policy !== undefined) {
  // Looked at here too: Vite would wrap what is wrong with it.
  process.env['POLICY_PACKAGE'] = defaultPolicy(resolve(values.policy)).folder;
}
if (values.title !== undefined) process.env['PAGE_TITLE'] = values.title;
if (values.smallest) process.env['BROTLI_QUALITY'] = '11';
await build({ build: { outDir: resolve(values.out), emptyOutDir: true } });
