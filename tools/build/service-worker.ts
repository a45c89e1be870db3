import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';

const SOURCE = resolve(import.meta.dirname, '../../src/app/service-worker.js');
/** Beside the files themselves, for servers and debuggers only. */
const BESIDES = /\.(map|br|gz)$/;

/** Writes `service-worker.js` into the build, with the list of what it keeps: the page and everything under `assets`. */
export function serviceWorker(): Plugin {
  let out = '';
  return {
    name: 'service-worker',
    apply: 'build',
    configResolved: ({ root, build }) => {
      out = resolve(root, build.outDir);
    },
    closeBundle: {
      // After whatever else writes files.
      order: 'post',
      sequential: true,
      handler: () => {
        // A build that failed has none.
        if (!existsSync(resolve(out, 'index.html'))) return;
        const files = ['./', 'favicon.svg', ...assets(out)];
        const source = readFileSync(SOURCE, 'utf8');
        const version = createHash('sha256')
          .update(readFileSync(resolve(out, 'index.html')))
          .update(JSON.stringify(files))
          .update(source)
          .digest('hex')
          .slice(0, 16);
        writeFileSync(
          resolve(out, 'service-worker.js'),
          `const VERSION = ${JSON.stringify(version)};\nconst FILES = ${JSON.stringify(files, null, 1)};\n${source}`,
        );
      },
    },
  };
}

function assets(out: string): string[] {
  return readdirSync(resolve(out, 'assets'))
    .filter((name) => !BESIDES.test(name))
    .map((name) => `assets/${name}`)
    .toSorted();
}
