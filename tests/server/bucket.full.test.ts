/** Two servers over a bucket of a real S3 implementation: what browsers send to it and read from it by themselves. */
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DirectAddresses } from '../../server/direct-uploads.ts';
import { s3Client } from '../../server/s3-client.ts';
import { openStorage, putIfAbsent, readVersioned, removeIf, replaceIf } from '../../server/storage.ts';
import { beginDirect, completeDirect, putParts, uploadDirect } from './direct.ts';
import { findImplementation, HOW_TO_GET_ONE, startBucket, type RealBucket } from './real-bucket.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { sha256Of, startServer, type TestServer } from './start-server.ts';
import { upload } from './tus.ts';

const implementation = findImplementation();
if (implementation === null) console.warn(`SKIPPED: ${HOW_TO_GET_ONE}`);

let bucket: RealBucket;
let one: TestServer;
let two: TestServer;

async function keys(): Promise<string[]> {
  const client = s3Client(bucket.options);
  const page = await client.send(new ListObjectsV2Command({ Bucket: bucket.options.bucket }));
  client.destroy();
  return (page.Contents ?? []).map(({ Key }) => Key!);
}

const publish = (url: string, body: unknown) =>
  fetch(`${url}/api/shares`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });

const begun = async (server: TestServer, sha256: string, bytes: number) => {
  const answer = await beginDirect(server.url, sha256, bytes);
  expect(answer.status).toBe(201);
  return (await answer.json()) as DirectAddresses;
};

describe.skipIf(implementation === null)(
  `two servers over one bucket (${implementation?.name ?? HOW_TO_GET_ONE})`,
  () => {
    beforeAll(async () => {
      bucket = await startBucket(implementation!);
      const storage = { driver: 's3', options: bucket.options as unknown as Record<string, unknown> };
      one = await startServer({ storage, directUploads: true, adapterReads: 'bucket' });
      two = await startServer({ storage, directUploads: true });
    }, 120_000);

    it('keep to conditions: of several puts one is done', async () => {
      const storage = await openStorage('s3', bucket.options as unknown as Record<string, unknown>);
      const puts = [1, 2, 3, 4, 5, 6].map((value) =>
        putIfAbsent(storage, 'only:one', new Uint8Array([value])),
      );
      expect((await Promise.all(puts)).filter(Boolean)).toHaveLength(1);
      const { version } = (await readVersioned(storage, 'only:one'))!;
      const again = [11, 12, 13, 14].map((value) =>
        replaceIf(storage, 'only:one', new Uint8Array([value]), version),
      );
      expect((await Promise.all(again)).filter(Boolean)).toHaveLength(1);
      await removeIf(storage, 'only:one', version);
      const now = (await readVersioned(storage, 'only:one'))!;
      expect(now.bytes[0]).toBeGreaterThan(10);
      await removeIf(storage, 'only:one', now.version);
      expect(await readVersioned(storage, 'only:one')).toBe(null);
      expect(await replaceIf(storage, 'only:one', new Uint8Array(1), now.version)).toBe(false);
    });

    it('an adapter goes straight to the bucket: begun here, completed there, read by an address of the bucket', async () => {
      const adapter = sampleAdapter(1, 120_000);
      const health = (await (await fetch(`${one.url}/api/health`)).json()) as unknown;
      expect(health).toMatchObject({ directUploads: true });
      const addresses = await begun(one, adapter.sha256, adapter.bytes.length);
      expect(addresses.parts.map(({ bytes }) => bytes)).toEqual([
        8_388_608,
        adapter.bytes.length - 8_388_608,
      ]);
      expect(new Set(await putParts(addresses, adapter.bytes))).toEqual(new Set([200]));
      // Nobody can read it yet.
      expect((await fetch(`${two.url}/api/adapters/${adapter.sha256}`)).status).toBe(404);
      expect((await completeDirect(two.url, addresses.id)).status).toBe(204);
      expect((await publish(one.url, sampleManifest(adapter))).status).toBe(201);
      for (const { url } of [one, two]) {
        const answer = await fetch(`${url}/api/adapters/${adapter.sha256}`);
        expect(new URL(answer.url).origin).toBe(url === one.url ? bucket.options.endpoint : two.url);
        expect(sha256Of(new Uint8Array(await answer.arrayBuffer()))).toBe(adapter.sha256);
        const head = await fetch(`${url}/api/adapters/${adapter.sha256}`, { method: 'HEAD' });
        expect(head.headers.get('content-length')).toBe(String(adapter.bytes.length));
      }
      const range = await fetch(`${two.url}/api/adapters/${adapter.sha256}`, {
        headers: { Range: 'bytes=8388600-8388615' },
      });
      expect(sha256Of(new Uint8Array(await range.arrayBuffer()))).toBe(
        sha256Of(adapter.bytes.subarray(8_388_600, 8_388_616)),
      );
      // Its parts are closed.
      const late = await putParts(addresses, adapter.bytes);
      expect(late.every((status) => status === 0 || status >= 400)).toBe(true);
    });

    it('an upload goes on where it stopped, in any process, and is refused while parts are missing', async () => {
      const adapter = sampleAdapter(2, 120_000);
      const addresses = await begun(one, adapter.sha256, adapter.bytes.length);
      await putParts({ ...addresses, parts: addresses.parts.slice(0, 1) }, adapter.bytes);
      expect((await completeDirect(two.url, addresses.id)).status).toBe(409);
      const rest = (await (
        await fetch(`${two.url}/api/adapters/direct/${addresses.id}`)
      ).json()) as DirectAddresses;
      expect(rest.parts.map(({ offset }) => offset)).toEqual([8_388_608]);
      await putParts(rest, adapter.bytes);
      const both = await Promise.all([one, two].map(({ url }) => completeDirect(url, addresses.id)));
      // One may come after the other is done.
      expect(both.map(({ status }) => status)).toContain(204);
      expect((await fetch(`${two.url}/api/adapters/${adapter.sha256}`)).status).toBe(200);
    });

    it('what is not what was announced never becomes an adapter, and leaves nothing', async () => {
      const adapter = sampleAdapter(3, 4000);
      const before = await keys();
      // Other bytes of the same number, and bytes that are no adapter.
      const wrong = adapter.bytes.slice();
      wrong[wrong.length - 1]! ^= 1;
      const junk = new Uint8Array(5000);
      for (const [bytes, sha256, code] of [
        [wrong, adapter.sha256, 'hash-mismatch'],
        [junk, sha256Of(junk), 'bad-file'],
      ] as const) {
        const answer = await uploadDirect(one.url, bytes, sha256);
        expect(answer.status).toBe(422);
        expect(await answer.json()).toMatchObject({ error: { code } });
        expect((await fetch(`${two.url}/api/adapters/${sha256}`)).status).toBe(404);
      }
      const cancelled = await begun(one, adapter.sha256, adapter.bytes.length);
      await putParts(cancelled, adapter.bytes);
      const address = `${two.url}/api/adapters/direct/${cancelled.id}`;
      expect((await fetch(address, { method: 'DELETE' })).status).toBe(204);
      expect((await completeDirect(one.url, cancelled.id)).status).toBe(404);
      expect(await keys()).toEqual(before);
    });

    it.skipIf(implementation?.name === 'moto')('the bucket refuses a part of another size', async () => {
      const adapter = sampleAdapter(4, 4000);
      const addresses = await begun(one, adapter.sha256, adapter.bytes.length);
      const [part] = addresses.parts;
      const answer = await fetch(part!.url, {
        method: 'PUT',
        body: new Uint8Array(adapter.bytes.length + 1),
      });
      expect(answer.status).toBe(403);
    });

    it('announcements are limited for a client, and those of which nothing comes go', async () => {
      const storage = { driver: 's3', options: bucket.options as unknown as Record<string, unknown> };
      const limits = { clientUploads: 3, emptyUploadExpiryMs: 0 };
      const strict = await startServer({ storage, directUploads: true, limits });
      await strict.sweep();
      const { sha256 } = sampleAdapter(5);
      for (let count = 0; count < 3; count++) await begun(strict, sha256, 1000);
      const refused = await beginDirect(strict.url, sha256, 1000);
      expect(refused.status).toBe(507);
      expect((await beginDirect(strict.url, sha256, 2 ** 40)).status).toBe(413);
      expect((await beginDirect(strict.url, 'no hash', 1000)).status).toBe(400);
      expect(await strict.sweep()).toBe(true);
      await begun(strict, sha256, 1000);
      await strict.sweep();
      expect((await keys()).filter((key) => key.startsWith('direct/'))).toEqual([]);
    });

    it('what one uploads by tus the other serves; the last share takes the adapter along', async () => {
      const adapter = sampleAdapter(6, 60_000);
      expect((await upload(one.url, adapter.bytes, adapter.sha256)).status).toBe(204);
      const made = (await (await publish(two.url, sampleManifest(adapter))).json()) as {
        id: string;
        token: string;
      };
      const answer = await fetch(`${one.url}/api/adapters/${adapter.sha256}`);
      expect(sha256Of(new Uint8Array(await answer.arrayBuffer()))).toBe(adapter.sha256);
      const headers = { Authorization: `Bearer ${made.token}` };
      expect((await fetch(`${one.url}/api/shares/${made.id}`, { method: 'DELETE', headers })).status).toBe(
        204,
      );
      expect((await keys()).filter((key) => key.includes(adapter.sha256) || key.includes(made.id))).toEqual(
        [],
      );
    });
  },
);
