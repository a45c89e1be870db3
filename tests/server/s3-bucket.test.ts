/** A share on an S3 bucket: a small double of S3 that lists two objects a page. */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { openStorage, putIfAbsent, readBytes, readRange } from '../../server/storage.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { sha256Of, startServer, temporaryFolder } from './start-server.ts';
import { upload } from './tus.ts';

const PAGE = 2;
const objects = new Map<string, Buffer>();
/** Ranges that were asked for. */
const ranges: string[] = [];

const bucket = createHttpServer((request, response) => void reply(request, response));

async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://bucket');
  const key = decodeURIComponent(url.pathname.replace('/shares-bucket/', ''));
  const sent = Buffer.concat(await request.toArray());
  if (request.headers.authorization?.startsWith('AWS4-HMAC-SHA256') !== true) response.writeHead(403).end();
  else if (url.searchParams.has('list-type')) response.end(listing(url.searchParams));
  else if (request.method === 'DELETE') {
    objects.delete(key);
    response.writeHead(204).end();
  } else if (request.method === 'PUT') {
    const taken = request.headers['if-none-match'] === '*' && objects.has(key);
    if (!taken) objects.set(key, sent);
    response.writeHead(taken ? 412 : 200).end();
  } else {
    const whole = objects.get(key);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (from !== undefined) ranges.push(request.headers.range!);
    const body = from === undefined ? whole : whole?.subarray(Number(from), Number(to) + 1);
    const status = whole === undefined ? 404 : from === undefined ? 200 : 206;
    response.writeHead(status, { 'Content-Length': body?.length ?? 0 });
    response.end(request.method === 'GET' ? body : undefined);
  }
}

await new Promise<void>((done) => {
  bucket.listen(0, '127.0.0.1', done);
});
afterAll(() => {
  bucket.close();
  bucket.closeAllConnections();
});

function listing(query: URLSearchParams): string {
  const keys = [...objects.keys()].filter((key) => key.startsWith(query.get('prefix') ?? '')).toSorted();
  const from = Number((query.get('continuation-token') ?? 'after&0').split('&')[1]);
  const page = keys.slice(from, from + PAGE).map((key) => `<Contents><Key>${key}</Key></Contents>`);
  const more = from + PAGE < keys.length;
  const token = more ? `<NextContinuationToken>after&amp;${from + PAGE}</NextContinuationToken>` : '';
  return `<?xml version="1.0"?><ListBucketResult>${page.join('')}${token}</ListBucketResult>`;
}

const options = {
  accessKeyId: 'id',
  secretAccessKey: 'secret',
  endpoint: `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`,
  region: 'auto',
  bucket: 'shares-bucket',
};

describe('an S3 bucket', () => {
  it('keeps bytes by key and lists all of them', async () => {
    const storage = await openStorage('s3', options);
    for (let at = 0; at < 7; at++) await storage.setItemRaw(`list:${at}`, new Uint8Array([at, 255]));
    await storage.setItemRaw('listed:not', new Uint8Array(1));
    expect((await storage.getKeys('list')).toSorted()).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((at) => `list:${at}`),
    );
    expect([...(await readBytes(storage, 'list:3'))!]).toEqual([3, 255]);
    expect((await storage.getMeta('list:3', { nativeOnly: true })).size).toBe(2);
    expect(await readBytes(storage, 'list:9')).toBe(null);
    expect((await storage.getMeta('list:9', { nativeOnly: true })).size).toBe(undefined);
  });

  it.each(['s3', 'fs'])(
    '(%s) reads ranges, and takes one of several values where there is none',
    async (driver) => {
      const storage = await openStorage(driver, driver === 's3' ? options : { base: temporaryFolder() });
      await storage.setItemRaw('some:bytes', new Uint8Array([0, 1, 2, 3, 4]));
      ranges.length = 0;
      expect([...(await readRange(storage, 'some:bytes', { offset: 1, length: 3 }))!]).toEqual([1, 2, 3]);
      expect(ranges).toEqual(driver === 's3' ? ['bytes=1-3'] : []);
      expect([...(await readRange(storage, 'some:bytes', { offset: 3, length: 9 }))!]).toEqual([3, 4]);
      expect(await readRange(storage, 'some:none', { offset: 3, length: 9 })).toBe(null);

      const puts = [1, 2, 3, 4].map((value) => putIfAbsent(storage, 'only:one', new Uint8Array([value])));
      const put = await Promise.all(puts);
      expect(put.filter(Boolean).length).toBe(1);
      expect((await readBytes(storage, 'only:one'))![0]).toBe(put.indexOf(true) + 1);
      expect(await putIfAbsent(storage, 'only:one', new Uint8Array([9]))).toBe(false);
    },
  );

  it('holds shares and adapters', async () => {
    objects.clear();
    const { url } = await startServer({ storage: { driver: 's3', options } });
    const adapter = sampleAdapter(1, 60_000);
    expect((await upload(url, adapter.bytes, adapter.sha256)).status).toBe(204);
    const body = JSON.stringify(sampleManifest(adapter));
    const headers = { 'Content-Type': 'application/json' };
    const shares = await Promise.all(
      [1, 2, 3].map(async () => {
        const answer = await fetch(`${url}/api/shares`, { method: 'POST', headers, body });
        return (await answer.json()) as { id: string; token: string };
      }),
    );
    for (const folder of ['adapters', 'references', 'shares'])
      expect([...objects.keys()].filter((key) => key.startsWith(`${folder}/`))).toHaveLength(3);
    const stored = await (await fetch(`${url}/api/adapters/${adapter.sha256}`)).arrayBuffer();
    expect(sha256Of(new Uint8Array(stored))).toBe(adapter.sha256);

    // A part of another size: the adapter is absent, and can be sent again.
    const partOf = (index: number) =>
      [...objects.keys()].find(
        (key) => key.startsWith(`adapters/${adapter.sha256}/`) && key.endsWith(`.${index}`),
      )!;
    const part = partOf(1);
    objects.set(part, objects.get(part)!.subarray(1));
    expect((await fetch(`${url}/api/adapters/${adapter.sha256}`)).status).toBe(404);
    expect((await upload(url, adapter.bytes, adapter.sha256)).status).toBe(204);
    // A part with other bytes of the same size, found by a server that has not read it yet: nothing of it is served.
    const fresh = await startServer({ storage: { driver: 's3', options } });
    const first = partOf(0);
    objects.set(first, Buffer.alloc(objects.get(first)!.length));
    expect((await fetch(`${fresh.url}/api/adapters/${adapter.sha256}`)).status).toBe(404);

    for (const { id, token } of shares)
      await fetch(`${url}/api/shares/${id}`, {
        method: 'DELETE',
        headers: { Authorization: `Bearer ${token}` },
      });
    expect([...objects.keys()]).toEqual(['server/client-key']);
  });

  it('is asked for what it needs, and an unknown driver is refused', async () => {
    await expect(openStorage('s3', { ...options, region: undefined })).rejects.toThrow('"region"');
    await expect(openStorage('nothing', {})).rejects.toThrow('no storage driver');
  });
});
