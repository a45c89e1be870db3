/** What happens to the data folder from outside: files that do not belong there, bits that flip, a disk that is full. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ApiErrorBody } from '../../server/http-error.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { spawnServer } from './spawn-server.ts';
import { sha256Of, startServer, temporaryFolder } from './start-server.ts';
import { beginUpload, sendBytes, upload } from './tus.ts';

afterEach(() => vi.restoreAllMocks());

const publish = (url: string, body: unknown) =>
  fetch(`${url}/api/shares`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('files that do not belong into the data folder', () => {
  it('are left alone and reported once; the server opens and sweeps', async () => {
    const folder = temporaryFolder();
    const strays = [
      'files/.DS_Store',
      'files/adapters/.DS_Store',
      'files/references/.DS_Store',
      'files/shares/.DS_Store',
      'files/shares/notes.txt',
      'files/references/Thumbs.db',
      'files/adapters/backup.json',
      'uploads/.DS_Store',
      'uploads/desktop.ini',
    ].map((path) => join(folder, path));
    for (const path of strays) {
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, 'not ours');
    }
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const server = await startServer({ dataFolder: folder, limits: { uploadExpiryMs: 0 } });
    await new Promise((done) => setTimeout(done, 5));
    await server.sweep();
    await server.sweep();
    const adapter = sampleAdapter(1);
    await upload(server.url, adapter.bytes, adapter.sha256);
    expect((await publish(server.url, sampleManifest(adapter))).status).toBe(201);
    for (const path of strays) expect(existsSync(path), path).toBe(true);
    const messages = warned.mock.calls.map(([message]) => String(message));
    expect(messages.filter((message) => message.includes('adapters/.DS_Store')).length).toBe(1);
    expect(messages.some((message) => message.includes('desktop.ini'))).toBe(true);
  });
});

describe('a bit that flips on the disk', () => {
  it('is not served, and heals when the adapter is sent again', async () => {
    const server = await startServer();
    const adapter = sampleAdapter(1, 60_000);
    await upload(server.url, adapter.bytes, adapter.sha256);
    const part = join(server.folder, 'data', 'files', 'adapters', adapter.sha256, '1');
    const bytes = readFileSync(part);
    bytes[300_000]! ^= 1;
    writeFileSync(part, bytes);
    // A server that has not read it yet.
    await server.close();
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const fresh = await startServer({ dataFolder: join(server.folder, 'data') });
    const address = `${fresh.url}/api/adapters/${adapter.sha256}`;
    const broken = await fetch(address);
    await expect(broken.arrayBuffer()).rejects.toThrow('terminated');
    expect((await fetch(address)).status).toBe(404);

    expect((await upload(fresh.url, adapter.bytes, adapter.sha256)).status).toBe(204);
    const healed = await (await fetch(address)).arrayBuffer();
    expect(sha256Of(new Uint8Array(healed))).toBe(adapter.sha256);
    expect(sha256Of(readFileSync(part))).not.toBe(sha256Of(bytes));
  });

  it('heals by sending the adapter again though nobody has met it', async () => {
    const server = await startServer();
    const adapter = sampleAdapter(2, 60_000);
    await upload(server.url, adapter.bytes, adapter.sha256);
    const part = join(server.folder, 'data', 'files', 'adapters', adapter.sha256, '0');
    const good = readFileSync(part);
    const flipped = Buffer.from(good);
    flipped[4_000_000]! ^= 128;
    writeFileSync(part, flipped);
    vi.spyOn(console, 'error').mockImplementation(() => {});
    await upload(server.url, adapter.bytes, adapter.sha256);
    expect(readFileSync(part).equals(good)).toBe(true);
  });
});

it('adapters that an earlier version sealed are served', async () => {
  const folder = temporaryFolder();
  const adapter = sampleAdapter(3, 60_000);
  const adapters = join(folder, 'files', 'adapters');
  mkdirSync(join(adapters, adapter.sha256), { recursive: true });
  const parts = [adapter.bytes.slice(0, 2 ** 22), adapter.bytes.slice(2 ** 22)];
  parts.forEach((bytes, at) => writeFileSync(join(adapters, adapter.sha256, String(at)), bytes));
  const seal = { bytes: adapter.bytes.length, createdAt: Date.now(), parts: parts.map(sha256Of) };
  writeFileSync(join(adapters, `${adapter.sha256}.json`), JSON.stringify(seal));
  const server = await startServer({ dataFolder: folder });
  const answer = await fetch(`${server.url}/api/adapters/${adapter.sha256}`);
  expect(sha256Of(new Uint8Array(await answer.arrayBuffer()))).toBe(adapter.sha256);
});

/** Whether a file system of a few megabytes can be made for one process here. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

it.skipIf(!canMount())(
  'a full disk is a 507 that mends itself when there is room again',
  async () => {
    const folder = temporaryFolder();
    const mount = `mount -t tmpfs -o size=6m tmpfs ${folder} && exec "$@"`;
    const server = await spawnServer({ DATA_DIR: join(folder, 'data'), LINGER_SECONDS: '1' }, [
      'unshare',
      '-rm',
      'sh',
      '-c',
      mount,
      'sh',
    ]);
    const small = sampleAdapter(4, 2000);
    expect((await upload(server.url, small.bytes, small.sha256)).status).toBe(204);
    const large = sampleAdapter(5, 90_000);
    const { address } = await beginUpload(server.url, large.sha256, large.bytes.length);
    const full = await sendBytes(address, 0, large.bytes);
    expect(full.status).toBe(507);
    expect(((await full.json()) as ApiErrorBody).error.code).toBe('storage-full');
    const share = await publish(server.url, sampleManifest(small));
    expect(share.status).toBe(507);
    expect((await fetch(`${server.url}/api/adapters/${small.sha256}`)).status).toBe(200);

    await fetch(address, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } });
    expect((await publish(server.url, sampleManifest(small))).status).toBe(201);
    const fits = sampleAdapter(6, 20_000);
    expect((await upload(server.url, fits.bytes, fits.sha256)).status).toBe(204);
    server.process.kill('SIGTERM');
    expect(await server.ended).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  },
  60_000,
);
