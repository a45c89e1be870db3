/** The built page as the journeys visit it, on the server that visitors get: with a tiny policy beside the shipped one, whose training takes seconds in software too. */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'vite';
import { createServer, type RunningServer } from '../server/app.ts';

const CACHE = resolve(import.meta.dirname, '../node_modules/.cache/e2e');
/** Where the built page is kept. */
export const BUILT_PAGE = resolve(CACHE, 'dist');

/** Where the tiny policy's manifest is on the site. Its weights are random: they come from a golden checkpoint. */
export const TINY_POLICY = 'models/tiny/manifest.json';
export const TINY_FOLDER = 'tests/packages/tiny';

/** Builds the page into `BUILT_PAGE`. */
export async function buildSite(): Promise<void> {
  await build({ logLevel: 'warn', build: { outDir: BUILT_PAGE, emptyOutDir: true } });
  cpSync(TINY_FOLDER, resolve(BUILT_PAGE, 'models/tiny'), { recursive: true });
}

/**
 * Serves the page, built anew unless `SITE_BUILT` says that somebody just did.
 *
 * @param port 0 for any that is free
 */
export async function serveSite(port: number): Promise<RunningServer> {
  if (process.env['SITE_BUILT'] === undefined) await buildSite();
  else if (!existsSync(BUILT_PAGE)) throw new Error('SITE_BUILT is set, but no page was built.');
  const dataFolder = resolve(CACHE, 'data');
  rmSync(dataFolder, { recursive: true, force: true });
  return createServer({ dist: BUILT_PAGE, dataFolder, port });
}
