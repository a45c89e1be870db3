import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ApiErrorBody } from '../../server/http-error.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { sha256Of, startServer } from './start-server.ts';
import { beginUpload, offsetOf, sendBytes, upload } from './tus.ts';

const server = await startServer();

async function errorOf(answer: Response): Promise<ApiErrorBody['error']> {
  return ((await answer.json()) as ApiErrorBody).error;
}

/** Sends a request line that no client library would, and gives the status of the answer. */
function statusOfRaw(path: string, method = 'GET'): Promise<number> {
  const { hostname, port } = new URL(server.url);
  return new Promise((done, failed) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nConnection: close\r\n\r\n`,
      );
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (data) => (text += String(data)));
    socket.on('error', failed).on('end', () => done(Number(text.split(' ')[1])));
  });
}

function stagedFiles(): string[] {
  return readdirSync(join(server.folder, 'data', 'uploads'));
}

describe('an upload', () => {
  it.each([
    ['a pickle', new Uint8Array([0x80, 4, 0x95, 10, 0, 0, 0, 0, 0, 0, 0, 0x7d, 0x94, 0x2e]), 'pickle'],
    ['a zip archive', new Uint8Array([0x50, 0x4b, 3, 4, ...Array<number>(60).fill(0)]), 'zip'],
    ['a cut file', sampleAdapter(1).bytes.slice(0, -7), 'take'],
    ['a file with more behind it', new Uint8Array([...sampleAdapter(1).bytes, 1, 2, 3]), 'take'],
    ['bytes of no known format', new Uint8Array(500).fill(0xab), 'header'],
    ['one byte', new Uint8Array(1), '1 bytes'],
  ])('of %s is refused and removed', async (_, bytes, word) => {
    const answer = await upload(server.url, bytes, sha256Of(bytes));
    expect(answer.status).toBe(422);
    const error = await errorOf(answer);
    expect(error.code).toBe('bad-file');
    expect(error.message).toContain(word);
    expect((await fetch(`${server.url}/api/adapters/${sha256Of(bytes)}`)).status).toBe(404);
    expect(stagedFiles()).toEqual([]);
  });

  it('of other bytes than announced is refused and removed', async () => {
    const { bytes } = sampleAdapter(2);
    const other = sampleAdapter(3).sha256;
    const answer = await upload(server.url, bytes, other);
    expect(answer.status).toBe(422);
    expect((await errorOf(answer)).code).toBe('hash-mismatch');
    expect((await fetch(`${server.url}/api/adapters/${other}`)).status).toBe(404);
    expect(stagedFiles()).toEqual([]);
  });

  it('of ten gigabytes is refused before the first byte', async () => {
    const { answer } = await beginUpload(server.url, 'a'.repeat(64), 10e9);
    expect(answer.status).toBe(413);
    expect((await errorOf(answer)).code).toBe('too-large');
    expect(stagedFiles()).toEqual([]);
  });

  it.each(['-1', '1e3', '0', 'many', '9'.repeat(30)])('of %s bytes is refused', async (bytes) => {
    const { answer } = await beginUpload(server.url, 'a'.repeat(64), bytes);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(stagedFiles()).toEqual([]);
  });

  it.each(['', 'A'.repeat(64), '../../../etc/passwd', `${'a'.repeat(64)}\n`])(
    'with the hash %j is refused',
    async (claim) => {
      const { answer } = await beginUpload(server.url, claim, 100);
      expect(answer.status).toBe(400);
      expect(stagedFiles()).toEqual([]);
    },
  );

  it('that sends more than it announced keeps nothing of that', async () => {
    const { bytes, sha256 } = sampleAdapter(4);
    const { address } = await beginUpload(server.url, sha256, bytes.length);
    const more = new Uint8Array(bytes.length + 1000);
    expect((await sendBytes(address, 0, more)).status).toBe(413);
    const endless = new Blob([more]).stream();
    const answer = await sendBytes(address, 0, endless).catch(() => null);
    expect(answer?.status ?? 413).toBeGreaterThanOrEqual(400);
    expect((await fetch(`${server.url}/api/adapters/${sha256}`)).status).toBe(404);
    await fetch(address, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } });
    expect(await offsetOf(address)).toBe(null);
    expect(stagedFiles()).toEqual([]);
  });

  it('cannot be read back before it is checked', async () => {
    const { address } = await beginUpload(server.url, sampleAdapter(5).sha256, 100);
    await sendBytes(address, 0, new TextEncoder().encode('<script>'));
    expect((await fetch(address)).status).toBe(404);
    await fetch(address, { method: 'DELETE' });
  });
});

it('an adapter that no share came to need is removed after a while', async () => {
  const small = await startServer();
  const [kept, abandoned] = [sampleAdapter(6), sampleAdapter(7)];
  for (const { bytes, sha256 } of [kept, abandoned]) await upload(small.url, bytes, sha256);
  const body = JSON.stringify(sampleManifest(kept));
  await fetch(`${small.url}/api/shares`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  await small.close();
  const impatient = await startServer({
    dataFolder: join(small.folder, 'data'),
    limits: { uploadExpiryMs: 0 },
  });
  await new Promise((done) => setTimeout(done, 5));
  await impatient.sweep();
  expect((await fetch(`${impatient.url}/api/adapters/${kept.sha256}`)).status).toBe(200);
  expect((await fetch(`${impatient.url}/api/adapters/${abandoned.sha256}`)).status).toBe(404);
});

describe('an address', () => {
  const secret = readFileSync('package.json', 'utf8');

  it.each([
    '/..%2f..%2fpackage.json',
    '/../../package.json',
    '/assets/..%2f..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/..\\..\\package.json',
    '/s/..%2f..%2fpackage.json/x',
    '/api/shares/..%2f..%2fadapters',
    '/api/shares/%00',
    '/api/shares/__proto__',
    '/api/adapters/..%2fshares',
    '/api/adapters/%2e%2e%2fuploads',
    '/api/adapters/uploads/..%2f..%2ffiles',
    '/api/nothing',
    '/nothing',
  ])('%s leads nowhere', async (path) => {
    for (const method of ['GET', 'HEAD']) expect([400, 404]).toContain(await statusOfRaw(path, method));
    const answer = await fetch(`${server.url}${path}`);
    expect(await answer.text()).not.toContain(secret.slice(0, 40));
  });

  it.each(['PATCH', 'DELETE', 'HEAD'])('of an upload is an id, never a path (%s)', async (method) => {
    for (const id of ['..%2f..%2ffiles', '%2e%2e', 'a.json', 'A'.repeat(32), '0'.repeat(31)]) {
      expect([400, 403, 404]).toContain(await statusOfRaw(`/api/adapters/uploads/${id}`, method));
    }
  });
});

it('more requests than allowed are told when to come back, reads and writes apart', async () => {
  const strict = await startServer({ limits: { readsPerMinute: 3, writesPerMinute: 2 } });
  const read = () => fetch(`${strict.url}/api/health`);
  const write = () => fetch(`${strict.url}/api/shares`, { method: 'POST' });
  expect([(await read()).status, (await read()).status, (await read()).status]).toEqual([200, 200, 200]);
  const limited = await read();
  expect(limited.status).toBe(429);
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await errorOf(limited)).code).toBe('too-many-requests');
  expect([(await write()).status, (await write()).status, (await write()).status]).toEqual([415, 415, 429]);
  // The page itself is not counted.
  expect((await fetch(strict.url)).status).toBe(200);
});

async function statusFor(url: string, forwarded: string): Promise<number> {
  return (await fetch(`${url}/api/health`, { headers: { 'X-Forwarded-For': forwarded } })).status;
}

it('a client is known by its socket, and by X-Forwarded-For behind a trusted proxy only', async () => {
  const limits = { readsPerMinute: 1 };
  const direct = await startServer({ limits });
  const proxied = await startServer({ limits, trustedProxies: 1 });
  expect([await statusFor(direct.url, '1.1.1.1'), await statusFor(direct.url, '2.2.2.2')]).toEqual([
    200, 429,
  ]);
  expect([await statusFor(proxied.url, '1.1.1.1'), await statusFor(proxied.url, '2.2.2.2')]).toEqual([
    200, 200,
  ]);
  // What the client itself wrote stands before what the proxy added.
  expect(await statusFor(proxied.url, '3.3.3.3, 1.1.1.1')).toBe(429);
  // One household.
  expect(await statusFor(proxied.url, '2001:db8:1:2::3')).toBe(200);
  expect(await statusFor(proxied.url, '2001:db8:1:2:9:9:9:9')).toBe(429);
  expect(await statusFor(proxied.url, '2001:db8:1:3::3')).toBe(200);
});
