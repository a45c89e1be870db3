/** Uploads that are begun, sent in part, and given up, by many clients at once. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { ApiErrorBody } from '../../server/http-error.ts';
import { sampleAdapter } from './samples.ts';
import { startServer, type TestServer } from './start-server.ts';
import { beginUpload, offsetOf, sendBytes } from './tus.ts';

const MINUTE = 60_000;
const hash = () => randomUUID().replaceAll('-', '').repeat(2);

async function begin(server: TestServer, bytes: number, client = '1.1.1.1') {
  return beginUpload(server.url, hash(), bytes, { 'X-Forwarded-For': client });
}

function stagedBytes({ folder }: TestServer): number {
  const uploads = join(folder, 'data', 'uploads');
  return readdirSync(uploads).reduce((sum, name) => sum + statSync(join(uploads, name)).size, 0);
}

describe('announcing uploads', () => {
  it('takes no room from others: the largest ones of one client leave the server open', async () => {
    const server = await startServer({ trustedProxies: 1 });
    const largest = 512 * 2 ** 20;
    for (let at = 0; at < 20; at++) await begin(server, largest, `1.1.1.${at % 4}`);
    expect((await begin(server, largest, '2.2.2.2')).answer.status).toBe(201);
  });

  it('is limited in number for one client, not for others', async () => {
    const server = await startServer({ limits: { clientUploads: 2 }, trustedProxies: 1 });
    const statuses = [];
    for (let at = 0; at < 3; at++) statuses.push((await begin(server, 100)).answer.status);
    expect(statuses).toEqual([201, 201, 507]);
    expect((await begin(server, 100, '2.2.2.2')).answer.status).toBe(201);
  });

  it('without sending a byte is forgotten within minutes, and one with a byte is not', async () => {
    const server = await startServer({ limits: { emptyUploadExpiryMs: 5 * MINUTE } });
    const empty = await begin(server, 100);
    const begun = await begin(server, 100);
    await sendBytes(begun.address, 0, new Uint8Array(1));
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6 * MINUTE });
    try {
      await server.sweep();
    } finally {
      vi.useRealTimers();
    }
    expect(await offsetOf(empty.address)).toBe(null);
    expect(await offsetOf(begun.address)).toBe(1);
  });

  it('that fails keeps no claim', async () => {
    const server = await startServer({ limits: { clientUploads: 2 } });
    // The bytes that come along are more than announced.
    const statuses = [];
    for (let at = 0; at < 4; at++) {
      const answer = await fetch(`${server.url}/api/adapters/uploads`, {
        method: 'POST',
        headers: {
          'Tus-Resumable': '1.0.0',
          'Upload-Length': '10',
          'Upload-Metadata': `sha256 ${btoa(hash())}`,
          'Content-Type': 'application/offset+octet-stream',
        },
        body: new Uint8Array(20),
      });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([413, 413, 413, 413]);
    expect((await begin(server, 100)).answer.status).toBe(201);
    expect(readdirSync(join(server.folder, 'data', 'uploads')).length).toBe(2);
  });

  it('when the server has as many as it takes makes idle ones give way', async () => {
    const server = await startServer({ limits: { unfinishedUploads: 4 }, trustedProxies: 1 });
    const old = [];
    for (let at = 0; at < 4; at++) old.push(await begin(server, 100, `1.1.1.${at % 2}`));
    expect((await begin(server, 100, '2.2.2.2')).answer.status).toBe(507);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * MINUTE });
    try {
      expect((await begin(server, 100, '2.2.2.2')).answer.status).toBe(201);
    } finally {
      vi.useRealTimers();
    }
    const left = await Promise.all(old.map(({ address }) => offsetOf(address)));
    expect(left.filter((offset) => offset === null).length).toBe(1);
  });
});

describe('bytes of unfinished uploads', () => {
  const limits = { unfinishedBytes: 400_000 };

  it('are a quarter of the room for one client, or one upload', async () => {
    const server = await startServer({ limits, trustedProxies: 1 });
    const [first, second, other] = [
      await begin(server, 300_000),
      await begin(server, 300_000),
      await begin(server, 300_000, '2.2.2.2'),
    ];
    expect((await sendBytes(first.address, 0, new Uint8Array(200_000))).status).toBe(204);
    const refused = await sendBytes(second.address, 0, new Uint8Array(200_000));
    expect(refused.status).toBe(507);
    expect(((await refused.json()) as ApiErrorBody).error.code).toBe('storage-full');
    expect((await sendBytes(other.address, 0, new Uint8Array(100_000))).status).toBe(204);
    // What was refused can go on when there is room again.
    await fetch(first.address, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } });
    const offset = (await offsetOf(second.address))!;
    expect((await sendBytes(second.address, offset, new Uint8Array(200_000))).status).toBe(204);
  });

  it('of a client that went away give way to those of one that is here', async () => {
    const server = await startServer({ limits, trustedProxies: 1 });
    const gone = await begin(server, 380_000);
    await sendBytes(gone.address, 0, new Uint8Array(370_000));
    const here = await begin(server, 100_000, '2.2.2.2');
    expect((await sendBytes(here.address, 0, new Uint8Array(50_000))).status).toBe(507);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * MINUTE });
    try {
      const offset = (await offsetOf(here.address))!;
      expect((await sendBytes(here.address, offset, new Uint8Array(50_000))).status).toBe(204);
    } finally {
      vi.useRealTimers();
    }
    expect(await offsetOf(gone.address)).toBe(null);
  });

  it('leave the disk at once when their upload is deleted while they come', async () => {
    const server = await startServer();
    const { address } = await begin(server, 50 * 2 ** 20);
    const chunk = new Uint8Array(2 ** 20);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (sent < 8) controller.enqueue(chunk);
        else await new Promise(() => {});
        sent++;
      },
    });
    const sending = sendBytes(address, 0, endless).then(
      ({ status }) => status,
      () => 0,
    );
    await vi.waitFor(() => expect(stagedBytes(server)).toBeGreaterThan(7 * 2 ** 20), 10_000);
    expect(openDeleted(server)).toEqual([]);
    const deleted = await fetch(address, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } });
    expect(deleted.status).toBe(204);
    expect(stagedBytes(server)).toBe(0);
    expect(openDeleted(server)).toEqual([]);
    expect([0, 404]).toContain(await sending);
  });
});

/** Files of the uploads that are deleted and still open in this process, whose bytes the disk keeps; on Linux. */
function openDeleted({ folder }: TestServer): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((path) => path.startsWith(folder) && path.endsWith('(deleted)'));
}

function sendAlong(
  server: TestServer,
  bytes: Uint8Array<ArrayBuffer>,
  sha256: string,
  length: number,
): Promise<Response> {
  return fetch(`${server.url}/api/adapters/uploads`, {
    method: 'POST',
    headers: {
      'Tus-Resumable': '1.0.0',
      'Upload-Length': String(length),
      'Upload-Metadata': `sha256 ${btoa(sha256)}`,
      'Content-Type': 'application/offset+octet-stream',
    },
    body: bytes,
  });
}

describe('an upload that sends its bytes along with its announcement', () => {
  it('is an adapter when all came, and says so', async () => {
    const server = await startServer();
    const { bytes, sha256 } = sampleAdapter(1, 4000);
    const answer = await sendAlong(server, bytes, sha256, bytes.length);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('upload-offset')).toBe(String(bytes.length));
    expect((await fetch(`${server.url}/api/adapters/${sha256}`)).status).toBe(200);
  });

  it('goes on from there when a part came', async () => {
    const server = await startServer();
    const { bytes, sha256 } = sampleAdapter(2, 4000);
    const answer = await sendAlong(server, bytes.slice(0, 1000), sha256, bytes.length);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('upload-offset')).toBe('1000');
    const address = new URL(answer.headers.get('location')!, server.url).href;
    expect((await sendBytes(address, 1000, bytes.slice(1000))).status).toBe(204);
    expect((await fetch(`${server.url}/api/adapters/${sha256}`)).status).toBe(200);
  });

  it('is refused with the reason when it is not an adapter', async () => {
    const server = await startServer();
    const { sha256 } = sampleAdapter(3);
    const answer = await sendAlong(server, new Uint8Array(500), sha256, 500);
    expect(answer.status).toBe(422);
    expect(((await answer.json()) as ApiErrorBody).error.code).toBe('hash-mismatch');
    expect(stagedBytes(server)).toBe(0);
  });
});
