/** The server is killed at random moments while shares are made; what it had acknowledged is all there afterwards. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/base/random.ts';
import { parseShareManifest } from '../../src/share/share-manifest.ts';
import { buildServer } from './built-server.ts';
import { Client } from './killed-client.ts';
import { sampleAdapter } from './samples.ts';
import { fakeDist, sha256Of, temporaryFolder } from './start-server.ts';
import { beginUpload, offsetOf, sendBytes } from './tus.ts';

/** More of them: `npm run test:full`. */
const KILLS = Number(process.env['KILLS'] ?? 4);
const CLIENTS = 3;

const folder = temporaryFolder();
const data = join(folder, 'data');

let main = '';
beforeAll(async () => {
  main = await buildServer(folder);
}, 120_000);

interface Running {
  readonly process: ChildProcess;
  readonly url: string;
}

async function start(): Promise<Running> {
  const env = {
    ...process.env,
    PORT: '0',
    DATA_DIR: data,
    DIST_DIR: fakeDist(folder),
    READS_PER_MINUTE: '1000000',
    WRITES_PER_MINUTE: '1000000',
  };
  const child = spawn(process.execPath, [main], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /http:\S+/.exec(line)?.[0];
    if (url !== undefined) return { process: child, url };
  }
  throw new Error('The server ended before it said where it is.');
}

async function kill({ process: child }: Running): Promise<void> {
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await ended;
}

async function expectIntact(url: string, clients: readonly Client[]): Promise<void> {
  for (const { id, manifest } of clients.flatMap(({ acknowledged }) => acknowledged)) {
    const answer = await fetch(`${url}/api/shares/${id}`);
    expect(answer.status, `share ${id}`).toBe(200);
    expect(await answer.json()).toEqual(manifest);
    expect(await hashAt(url, manifest.adapter!.sha256)).toBe(manifest.adapter!.sha256);
  }
  // What was not acknowledged is whole or not there.
  for (const { sha256 } of clients.flatMap(({ begun }) => begun))
    expect([sha256, null]).toContain(await hashAt(url, sha256));
  // Shares whose acknowledgement was lost on the way are whole too.
  for (const name of readdirSync(join(data, 'files', 'shares'))) {
    const record = JSON.parse(readFileSync(join(data, 'files', 'shares', name), 'utf8')) as Record<
      string,
      unknown
    >;
    const { adapter } = parseShareManifest(record['manifest']);
    expect(await hashAt(url, adapter!.sha256)).toBe(adapter!.sha256);
  }
}

/** SHA-256 of what the server serves under that hash; null when it has nothing there. */
async function hashAt(url: string, sha256: string): Promise<string | null> {
  const answer = await fetch(`${url}/api/adapters/${sha256}`);
  if (answer.status === 404) return null;
  expect(answer.status).toBe(200);
  return sha256Of(new Uint8Array(await answer.arrayBuffer()));
}

/** Some milliseconds after the clients got so many acknowledgements: anywhere in the uploads that follow. */
function momentToKill(clients: readonly Client[], acknowledgements: number, delayMs: number): Promise<void> {
  let left = acknowledgements;
  return new Promise((done) => {
    const count = () => {
      if (--left === 0) setTimeout(done, delayMs);
    };
    for (const client of clients) client.onAcknowledged = count;
  });
}

it(`a server killed ${KILLS} times while it writes loses nothing it acknowledged, and serves nothing damaged`, async () => {
  const random = new Random(20);
  const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index + 1));
  for (let round = 0; round < KILLS; round++) {
    const server = await start();
    const moment = momentToKill(clients, 1 + random.integer(3), random.uniform() * 80);
    const work = Promise.all(clients.map((client) => client.workUntilKilled(server.url)));
    await Promise.race([moment, work]);
    await kill(server);
    await work;
  }
  const last = await start();
  await expectIntact(last.url, clients);
  await kill(last);
  expect(clients.flatMap(({ acknowledged }) => acknowledged).length).toBeGreaterThanOrEqual(KILLS);
}, 60_000);

it('an upload goes on where it was when the server was killed', async () => {
  const { bytes, sha256 } = sampleAdapter(99, 9000);
  const half = Math.floor(bytes.length / 2);
  const first = await start();
  const { address } = await beginUpload(first.url, sha256, bytes.length);
  expect((await sendBytes(address, 0, bytes.slice(0, half))).status).toBe(204);
  await kill(first);
  const second = await start();
  const again = second.url + new URL(address).pathname;
  expect(await offsetOf(again)).toBe(half);
  expect((await sendBytes(again, half, bytes.slice(half))).status).toBe(204);
  expect(await hashAt(second.url, sha256)).toBe(sha256);
  await kill(second);
});

it('an upload whose last byte came just before the kill is an adapter when its client asks', async () => {
  const { bytes, sha256 } = sampleAdapter(98);
  const first = await start();
  const { address } = await beginUpload(first.url, sha256, bytes.length);
  await kill(first);
  // All bytes reached the file, nothing was done with them.
  const { pathname } = new URL(address);
  writeFileSync(join(data, 'uploads', pathname.split('/').at(-1)!), bytes);
  const second = await start();
  expect(await offsetOf(second.url + pathname)).toBe(bytes.length);
  expect(await hashAt(second.url, sha256)).toBe(sha256);
  await kill(second);
});

it('SIGTERM ends the server cleanly', async () => {
  const server = await start();
  expect(await (await fetch(server.url)).text()).toContain('<title>page</title>');
  const code = new Promise((done) => server.process.once('exit', done));
  server.process.kill('SIGTERM');
  expect(await code).toBe(0);
});
