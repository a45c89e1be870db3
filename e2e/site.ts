/** The built page as the journeys visit it: with a tiny policy beside the shipped one, whose training takes seconds in software too. */
import { cpSync } from 'node:fs';
import { resolve } from 'node:path';
import { build, preview, type PreviewServer } from 'vite';

const OUT_DIR = resolve(import.meta.dirname, '../node_modules/.cache/e2e/dist');

/** Where the tiny policy's manifest is on the site. Its weights are random: they come from a golden checkpoint. */
export const TINY_POLICY = 'models/tiny/manifest.json';
export const TINY_FOLDER = 'tests/packages/tiny';

/** Builds and serves it. @param port 0 for any that is free */
export async function serveSite(port: number): Promise<PreviewServer> {
  await build({ logLevel: 'warn', build: { outDir: OUT_DIR, emptyOutDir: true } });
  cpSync(TINY_FOLDER, resolve(OUT_DIR, 'models/tiny'), { recursive: true });
  return preview({ logLevel: 'warn', build: { outDir: OUT_DIR }, preview: { port, strictPort: port !== 0 } });
}
