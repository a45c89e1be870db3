/** The page's side of an upload to a bucket, against a server and a bucket that fail at chosen points. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { uploadAdapter } from '../../src/share/share-client.ts';
import { uploadDirect } from '../../src/share/direct-upload.ts';

const ID = 'ab'.repeat(16);
const PART = 1000;
const BYTES = new Uint8Array(3 * PART - 200).map((_, i) => i % 251);
const HASH = createHash('sha256').update(BYTES).digest('hex');

/** A status to answer with instead; `unanswered`: done, but the connection breaks before it is said. */
type Fault = (method: string, path: string) => number | 'unanswered' | null;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** A server of shares and its bucket, which sign the addresses of parts with a number that `expire` makes old. */
async function startServer(fault: Fault = () => null) {
  const parts = new Map<number, Buffer>();
  const asked: string[] = [];
  let signature = 1;
  let complete = false;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<number> => {
    const { pathname, searchParams } = new URL(request.url!, 'http://server');
    const body = await buffer(request);
    if (pathname === '/api/health') {
      response.write(JSON.stringify({ shares: 1, adapterBytes: 1e9, directUploads: true }));
      return 200;
    }
    if (pathname === `/api/adapters/${HASH}`) return complete ? 200 : 404;
    if (pathname.startsWith('/bucket/')) {
      if (searchParams.get('signature') !== String(signature)) return 403;
      parts.set(Number(pathname.slice('/bucket/'.length)), body);
      return 200;
    }
    if (pathname.endsWith('/complete')) {
      if (complete) return 404;
      complete = true;
      return 204;
    }
    if (!pathname.startsWith('/api/adapters/direct')) return 501;
    response.write(JSON.stringify({ id: ID, parts: missing() }));
    return 201;
  };
  const missing = () =>
    [0, PART, 2 * PART]
      .filter((offset) => !parts.has(offset))
      .map((offset) => ({
        offset,
        bytes: Math.min(PART, BYTES.length - offset),
        url: `${origin}/bucket/${offset}?signature=${signature}`,
      }));
  const server = createServer((request, response) => {
    const path = request.url!.replace(/\?.*/, '');
    asked.push(`${request.method} ${path.replace(HASH, 'HASH')}`);
    const failed = fault(request.method!, path);
    if (typeof failed === 'number') {
      response.writeHead(failed).end();
      return;
    }
    void answer(request, response).then((status) => {
      response.statusCode = status;
      return failed ? request.socket.destroy() : response.end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, parts, asked, expire: () => signature++ };
}

const blob = new Blob([BYTES]);
const sentTo = (parts: ReadonlyMap<number, Buffer>) =>
  Buffer.concat([...parts].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes));

test('All parts arrive in the bucket, and progress counts them', async () => {
  const { origin, parts } = await startServer();
  const progress: number[] = [];
  await uploadAdapter(blob, HASH, { server: origin, onProgress: (sent) => progress.push(sent) });
  expect(sentTo(parts).equals(BYTES)).toBe(true);
  expect(progress).toEqual([0, 1000, 2000, 2800, 2800]);
});

test('An upload whose last answer is lost is found to be there, and not sent again', async () => {
  let lost = false;
  const { origin, asked } = await startServer((_, path) => {
    if (!path.endsWith('/complete') || lost) return null;
    lost = true;
    return 'unanswered';
  });
  await uploadAdapter(blob, HASH, { server: origin });
  expect(asked.filter((line) => line.startsWith('PUT'))).toHaveLength(3);
  expect(asked.filter((line) => line.endsWith('/complete'))).toHaveLength(2);
  expect(asked.some((line) => line.includes('uploads'))).toBe(false);
});

test('Addresses that expire on the way are asked for again, and what arrived is not sent twice', async () => {
  let expired = false;
  const server = await startServer((_, path) => {
    if (path === '/bucket/1000' && !expired) {
      expired = true;
      server.expire();
    }
    return null;
  });
  await uploadAdapter(blob, HASH, { server: server.origin });
  expect(sentTo(server.parts).equals(BYTES)).toBe(true);
  expect(server.asked.filter((line) => line === 'PUT /bucket/0')).toHaveLength(1);
});

test('A bucket that fails after a part has arrived is told; the server is not sent everything again', async () => {
  const { origin, asked } = await startServer((_, path) => (path === '/bucket/1000' ? 403 : null));
  await expect(uploadAdapter(blob, HASH, { server: origin })).rejects.toThrow(
    'The share server cannot be reached',
  );
  expect(asked.filter((line) => line === 'PUT /bucket/0')).toHaveLength(1);
  expect(asked.filter((line) => line === 'PUT /bucket/1000')).toHaveLength(2);
  expect(asked.some((line) => line.includes('uploads'))).toBe(false);
});

test('A bucket that takes nothing at all leaves the other way open', async () => {
  const { origin } = await startServer((method) => (method === 'PUT' ? 403 : null));
  expect(await uploadDirect(blob, HASH, { server: origin })).toBe(false);
});

test('An upload is cancelled while it waits to try again', async () => {
  const { origin } = await startServer((method) => (method === 'PUT' ? 500 : null));
  const stop = new AbortController();
  const tries: number[] = [];
  const upload = uploadAdapter(blob, HASH, {
    server: origin,
    signal: stop.signal,
    onRetry: () => tries.push(1) === 1 && setTimeout(() => stop.abort(), 50),
  });
  await expect(upload).rejects.toThrow('cancelled');
  expect(tries).toHaveLength(1);
});
