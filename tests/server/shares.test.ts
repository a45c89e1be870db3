import { describe, expect, it } from 'vitest';
import type { ApiErrorBody } from '../../server/http-error.ts';
import type { ShareManifest } from '../../src/share/share-manifest.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { sha256Of, startServer } from './start-server.ts';
import { beginUpload, offsetOf, sendBytes, upload } from './tus.ts';

const server = await startServer({ limits: { adapterBytes: 10 * 2 ** 20 } });

function publish(
  manifest: unknown,
  url = server.url,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}/api/shares`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
  });
}

async function created(manifest: ShareManifest): Promise<{ id: string; token: string; url: string }> {
  const answer = await publish(manifest);
  expect(answer.status).toBe(201);
  return (await answer.json()) as { id: string; token: string; url: string };
}

function remove(id: string, token?: string): Promise<Response> {
  const headers = token === undefined ? undefined : { Authorization: `Bearer ${token}` };
  return fetch(`${server.url}/api/shares/${id}`, { method: 'DELETE', ...(headers && { headers }) });
}

const adapterAt = (sha256: string, init?: RequestInit) => fetch(`${server.url}/api/adapters/${sha256}`, init);

async function refusal(answer: Response, status: number): Promise<ApiErrorBody['error']> {
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  return ((await answer.json()) as ApiErrorBody).error;
}

describe('a share', () => {
  it('is stored with its adapter and given back as it was', async () => {
    const adapter = sampleAdapter(1);
    expect((await upload(server.url, adapter.bytes, adapter.sha256)).status).toBe(204);
    const manifest = sampleManifest(adapter);
    const { id, token, url } = await created(manifest);
    expect(id).toMatch(/^[\w-]{16}$/);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(url).toBe(`/s/${id}`);
    const answer = await fetch(`${server.url}/api/shares/${id}`);
    expect(await answer.json()).toEqual(manifest);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    const bytes = new Uint8Array(await (await adapterAt(adapter.sha256)).arrayBuffer());
    expect(sha256Of(bytes)).toBe(adapter.sha256);
  });

  it('is found again by another server over the same folder, and never shows its token', async () => {
    const first = await startServer();
    const { token, id } = (await (await publish(sampleManifest(null), first.url)).json()) as Record<
      string,
      string
    >;
    await first.close();
    const second = await startServer({ dataFolder: `${first.folder}/data` });
    const text = await (await fetch(`${second.url}/api/shares/${id}`)).text();
    expect(JSON.parse(text)).toEqual(sampleManifest(null));
    expect(text).not.toContain(token);
    expect(text.toLowerCase()).not.toContain('token');
  });

  it('needs its adapter to be there, with as many bytes', async () => {
    const adapter = sampleAdapter(2);
    const missing = await refusal(await publish(sampleManifest(adapter)), 409);
    expect(missing).toMatchObject({ code: 'adapter-missing' });
    await upload(server.url, adapter.bytes, adapter.sha256);
    const other = sampleManifest(adapter);
    const lying = { ...other, adapter: { ...other.adapter, bytes: 5 } };
    await refusal(await publish(lying), 409);
  });

  it('may have its adapter on another host', async () => {
    const manifest = sampleManifest(sampleAdapter(3));
    const elsewhere = {
      ...manifest,
      adapter: { ...manifest.adapter!, url: 'https://host.example/a.safetensors' },
    };
    expect(await created(elsewhere)).toHaveProperty('id');
  });

  it('is deleted with its token only, and its adapter with the last share of it', async () => {
    const adapter = sampleAdapter(4);
    await upload(server.url, adapter.bytes, adapter.sha256);
    const [one, two] = [await created(sampleManifest(adapter)), await created(sampleManifest(adapter))];
    expect(await refusal(await remove(one.id), 401)).toMatchObject({ code: 'unauthorized' });
    expect(await refusal(await remove(one.id, two.token), 403)).toMatchObject({ code: 'forbidden' });
    await refusal(await remove('a'.repeat(16), one.token), 404);
    expect((await fetch(`${server.url}/api/shares/${one.id}`)).status).toBe(200);

    expect((await remove(one.id, one.token)).status).toBe(204);
    await refusal(await fetch(`${server.url}/api/shares/${one.id}`), 404);
    expect((await adapterAt(adapter.sha256)).status).toBe(200);
    expect((await remove(two.id, two.token)).status).toBe(204);
    await refusal(await adapterAt(adapter.sha256), 404);
  });

  it('made while the last other share of its adapter is deleted keeps the adapter, or is refused', async () => {
    for (let seed = 20; seed < 30; seed++) {
      const adapter = sampleAdapter(seed);
      await upload(server.url, adapter.bytes, adapter.sha256);
      const old = await created(sampleManifest(adapter));
      const [, made] = await Promise.all([remove(old.id, old.token), publish(sampleManifest(adapter))]);
      expect([201, 409]).toContain(made.status);
      expect((await adapterAt(adapter.sha256)).status).toBe(made.status === 201 ? 200 : 404);
    }
  });
});

describe('what is no share', () => {
  it('is refused with a reason', async () => {
    const manifest = sampleManifest(null);
    expect(await refusal(await publish({ ...manifest, extra: 1 }), 400)).toMatchObject({ code: 'bad-input' });
    expect((await refusal(await publish({ ...manifest, title: '' }), 400)).message).toContain('title');
    await refusal(await publish('{'), 400);
    const twice = JSON.stringify(manifest).replace('{', '{"title":"Another",');
    expect((await refusal(await publish(twice), 400)).message).toContain('"title" occurs twice');
    await refusal(await publish(JSON.stringify(manifest).replace('0.0005', '1e999')), 400);
    await refusal(await publish({ ...manifest, title: '\u200b' }), 400);
    await refusal(await publish(manifest, server.url, { 'Content-Type': 'text/plain' }), 415);
  });

  it('is refused when it is huge, announced or not', async () => {
    const huge = JSON.stringify({ ...sampleManifest(null), note: 'a'.repeat(100_000) });
    expect(await refusal(await publish(huge), 413)).toMatchObject({ code: 'too-large' });
    const body = new Blob([huge]).stream();
    const headers = { 'Content-Type': 'application/json' };
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
    await refusal(await fetch(`${server.url}/api/shares`, init), 413);
  });

  it('gives markup back as data', async () => {
    const title = '<script>alert(1)</script>';
    const { id } = await created(sampleManifest(null, title));
    const answer = await fetch(`${server.url}/api/shares/${id}`);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await answer.json()).toMatchObject({ title });
  });

  it('cannot be written by the page of another site', async () => {
    const manifest = sampleManifest(null);
    await refusal(await publish(manifest, server.url, { Origin: 'https://evil.example' }), 403);
    await refusal(await publish(manifest, server.url, { 'Sec-Fetch-Site': 'cross-site' }), 403);
    expect((await publish(manifest, server.url, { Origin: server.url })).status).toBe(201);
    const preflight = await fetch(`${server.url}/api/shares`, { method: 'OPTIONS' });
    expect(preflight.headers.get('access-control-allow-origin')).toBe(null);
  });
});

describe('an adapter', () => {
  it('is sent with its headers, whole, in ranges, and not again to who has it', async () => {
    // Three parts of storage, the last one short.
    const adapter = sampleAdapter(5, 95_000);
    await upload(server.url, adapter.bytes, adapter.sha256);
    const whole = await adapterAt(adapter.sha256);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(adapter.bytes.length),
      'content-disposition': `attachment; filename="${adapter.sha256}.safetensors"`,
      'cache-control': 'public, max-age=31536000, immutable',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      etag: `"${adapter.sha256}"`,
    });
    expect(sha256Of(new Uint8Array(await whole.arrayBuffer()))).toBe(adapter.sha256);

    const size = adapter.bytes.length;
    for (const [range, start, end] of [
      ['bytes=0-0', 0, 1],
      [`bytes=${4 * 2 ** 20 - 3}-${4 * 2 ** 20 + 4}`, 4 * 2 ** 20 - 3, 4 * 2 ** 20 + 5],
      ['bytes=9000000-', 9_000_000, size],
      ['bytes=-10', size - 10, size],
      [`bytes=5-${size * 2}`, 5, size],
    ] as const) {
      const part = await adapterAt(adapter.sha256, { headers: { Range: range } });
      expect(part.status).toBe(206);
      expect(part.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${size}`);
      const bytes = Buffer.from(await part.arrayBuffer());
      expect(bytes.equals(adapter.bytes.subarray(start, end))).toBe(true);
    }
    expect((await adapterAt(adapter.sha256, { headers: { Range: `bytes=${size}-` } })).status).toBe(416);
    expect(
      (await adapterAt(adapter.sha256, { headers: { 'If-None-Match': `"${adapter.sha256}"` } })).status,
    ).toBe(304);
    const head = await adapterAt(adapter.sha256, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(size));
  });

  it('goes on where the upload was interrupted', async () => {
    const adapter = sampleAdapter(6, 4000);
    const { address } = await beginUpload(server.url, adapter.sha256, adapter.bytes.length);
    const sent = 100_000;
    const broken = new ReadableStream({
      start: (controller) => controller.enqueue(adapter.bytes.subarray(0, sent)),
      pull: async (controller) => {
        // Only then is the connection cut.
        while ((await import('node:fs')).statSync(uploadFile(address)).size < sent)
          await new Promise(setImmediate);
        controller.error(new Error('cut'));
      },
    });
    await expect(sendBytes(address, 0, broken)).rejects.toThrow('fetch failed');
    expect(await offsetOf(address)).toBe(sent);
    expect((await sendBytes(address, 5, adapter.bytes.subarray(5))).status).toBe(409);
    expect((await sendBytes(address, sent, adapter.bytes.subarray(sent))).status).toBe(204);
    const stored = await (await adapterAt(adapter.sha256)).arrayBuffer();
    expect(sha256Of(new Uint8Array(stored))).toBe(adapter.sha256);
  });

  it('that is there already can be sent again, by several at once too', async () => {
    const adapter = sampleAdapter(7);
    const answers = await Promise.all([1, 2, 3].map(() => upload(server.url, adapter.bytes, adapter.sha256)));
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204]);
    expect((await upload(server.url, adapter.bytes, adapter.sha256)).status).toBe(204);
  });
});

function uploadFile(address: string): string {
  return `${server.folder}/data/uploads/${address.split('/').at(-1)}`;
}
