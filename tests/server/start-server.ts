import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createServer, type RunningServer } from '../../server/app.ts';
import type { ServerOptions } from '../../server/options.ts';

/** What the tests of a file leave behind, cleared away when they are done: servers before their folders. */
const cleanUps: (() => void | Promise<void>)[] = [];
afterAll(async () => {
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
}, 60_000);

/** To be done when the tests of this file are done. */
export function onCleanUp(cleanUp: () => void | Promise<void>): void {
  cleanUps.push(cleanUp);
}

const MANY = { readsPerMinute: 1e6, writesPerMinute: 1e6 };

export interface TestServer extends RunningServer {
  readonly folder: string;
}

/** A folder that goes when the tests of this file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'openvla-server-'));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A built page of a few bytes. */
export function fakeDist(folder: string): string {
  const dist = join(folder, 'dist');
  mkdirSync(join(dist, 'assets'), { recursive: true });
  writeFileSync(
    join(dist, 'index.html'),
    '<!doctype html><title>page</title><script src="./assets/index-abc.js"></script>',
  );
  writeFileSync(join(dist, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  writeFileSync(join(dist, 'assets', 'index-abc.js'), 'export {};');
  writeFileSync(join(dist, 'assets', 'practice-worker-abc.js'), 'export {};');
  writeFileSync(join(dist, 'assets', 'index-abc.js.br'), 'brotli');
  writeFileSync(join(dist, 'assets', 'index-abc.js.gz'), 'gzip');
  writeFileSync(join(dist, 'assets', 'ort-abc.wasm'), new Uint8Array([0, 0x61, 0x73, 0x6d]));
  return dist;
}

/** A server on a free port over a temporary folder, closed when the tests of this file are done. */
export async function startServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const folder = temporaryFolder();
  const { limits, ...rest } = options;
  const server = await createServer({
    dist: fakeDist(folder),
    dataFolder: join(folder, 'data'),
    ...rest,
    limits: { ...MANY, ...limits },
    port: 0,
  });
  let closed: Promise<void> | null = null;
  const close = () => (closed ??= server.close(0));
  cleanUps.push(close);
  return { ...server, close, folder };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
