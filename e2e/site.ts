/** The built page as the journeys visit it, on the server that visitors get: with a tiny policy beside the shipped one, whose training takes seconds in software too. */
import { cpSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'vite';
import { createServer, type RunningServer } from '../server/app.ts';

const CACHE = resolve(import.meta.dirname, '../node_modules/.cache/e2e');
/** Where the built page is kept. */
export const BUILT_PAGE = resolve(CACHE, 'dist');

/** Where the tiny policy's manifest is on the site. Its weights are random: they come from a golden checkpoint. */
export const TINY_POLICY = 'models/tiny/manifest.json';
export const TINY_FOLDER = 'tests/packages/tiny';

/** Builds and serves it. @param port 0 for any that is free */
export async function serveSite(port: number): Promise<RunningServer> {
  await build({ logLevel: 'warn', build: { outDir: BUILT_PAGE, emptyOutDir: true } });
  cpSync(TINY_FOLDER, resolve(BUILT_PAGE, 'models/tiny'), { recursive: true });
  const dataFolder = resolve(CACHE, 'data');
  rmSync(dataFolder, { recursive: true, force: true });
  return createServer({ dist: BUILT_PAGE, dataFolder, port });
}
