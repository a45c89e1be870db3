// Starts a TypeScript tool in Node: `node tools/node/run.mjs tools/parity/main.ts …`.
// tsx compiles TypeScript; the hook below adds Vite's `?raw` imports, which the WGSL kernels use.
import { register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { register as registerTsx } from 'tsx/esm/api';

registerTsx();
register('./raw-hook.mjs', import.meta.url);

const [entry, ...args] = process.argv.slice(2);
if (!entry) throw new Error('usage: node tools/node/run.mjs <tool.ts> [arguments]');
process.argv = [process.argv[0], entry, ...args];
const start = () => import(pathToFileURL(resolve(entry)).href);
if (isMainThread) {
  const { runTool } = await import('./arguments.ts');
  await runTool(start);
} else {
  // A thread's errors are told to the thread that started it.
  await start();
}
