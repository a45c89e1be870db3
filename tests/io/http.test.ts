import { afterEach, describe, expect, it } from 'vitest';
import { readAll, readText } from '../../src/io/folder.ts';
import { httpFolder, parseAddress } from '../../src/io/http-folder.ts';
import type { HttpOptions } from '../../src/io/http.ts';
import { openAddress } from '../../src/io/open-address.ts';
import { quirkyHost, type Habits, type Host } from './quirky-host.ts';

// Compresses well, so that a compressed length is far from the true one.
const LARGE = new Uint8Array(500_000).map((_, i) => (i >> 10) & 255);
const FILES = new Map<string, Uint8Array<ArrayBuffer>>([
  ['meta/info.json', new TextEncoder().encode('{"fps":10}')],
  ['data/large.bin', LARGE],
  ['empty.txt', new Uint8Array()],
  ['data/with space & 100%.txt', new TextEncoder().encode('found')],
]);

/** `toEqual` takes seconds for so many bytes. */
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

let host: Host | null = null;
let files = FILES;
const waits: number[] = [];
const options: HttpOptions = { wait: async (ms) => void waits.push(ms) };
async function hostWith(habits: Habits): Promise<Host> {
  waits.length = 0;
  files = new Map(FILES);
  host = await quirkyHost(files, habits);
  return host;
}
afterEach(async () => {
  await host?.close();
  host = null;
});

describe('a folder on a web server', () => {
  it.each<[string, Habits]>([
    ['that behaves', {}],
    ['that compresses', { gzip: true }],
    ['that refuses HEAD', { refusesHead: true }],
    ['that ignores ranges', { ignoresRanges: true }],
    ['that compresses and ignores ranges', { gzip: true, ignoresRanges: true }],
    ['that answers unknown addresses with its own page', { spa: true }],
    ['whose connection breaks twice', { breaks: { times: 1 } }],
    ['that is asked too often', { busy: { times: 2, status: 429 } }],
  ])('is read from a host %s', async (_, habits) => {
    const folder = httpFolder((await hostWith(habits)).url, options);
    expect(await readText(folder, 'meta/info.json')).toBe('{"fps":10}');
    const file = await folder.open('data/large.bin');
    expect(file.byteLength).toBe(LARGE.length);
    expect(same(await file.slice(123_456, 234_567), LARGE.subarray(123_456, 234_567))).toBe(true);
    expect(same(await readAll(folder, 'data/large.bin'), LARGE)).toBe(true);
    expect(await readAll(folder, 'empty.txt')).toHaveLength(0);
    expect(await readText(folder, 'data/with space & 100%.txt')).toBe('found');
    expect(await folder.has('meta/nothing.json')).toBe(false);
    await expect(folder.open('meta/nothing.json')).rejects.toMatchObject({ code: 'bad-file' });
    expect(await folder.list()).toBeNull();
  });

  it('waits as long as the host asks for', async () => {
    const folder = httpFolder(
      (await hostWith({ busy: { times: 2, status: 503, retryAfter: '7' } })).url,
      options,
    );
    expect(await folder.has('meta/info.json')).toBe(true);
    expect(waits).toEqual([7000, 7000]);
  });

  it('gives up on a host that stays busy, and says so', async () => {
    const folder = httpFolder((await hostWith({ busy: { times: 99, status: 429 } })).url, options);
    await expect(folder.has('meta/info.json')).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringContaining('429') as string,
    });
    expect(host!.requests).toHaveLength(5);
  });

  it.each([401, 403, 410, 500])('names status %i instead of taking it for a missing file', async (status) => {
    const folder = httpFolder((await hostWith({ status })).url, options);
    await expect(folder.has('meta/info.json')).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringContaining(String(status)) as string,
    });
  });

  it('does not fetch the same bytes twice', async () => {
    const folder = httpFolder((await hostWith({})).url, options);
    const file = await folder.open('data/large.bin');
    await Promise.all([file.slice(0, 1000), file.slice(500, 70_000), file.slice(100, 200)]);
    const sent = host!.sent();
    await file.slice(10, 60_000);
    expect(host!.sent()).toBe(sent);
    expect(sent).toBeLessThan(3 * 65_536);
  });

  describe('a file that is replaced by one of the same size while it is read', () => {
    const FAR = 400_000;
    it.each<[string, Record<string, string>, Record<string, string>]>([
      ['another ETag', { etag: '"one"' }, { etag: '"two"' }],
      ['another weak ETag', { etag: 'W/"one"' }, { etag: 'W/"two"' }],
      [
        'another date, where the host has no ETag',
        { 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' },
        { 'last-modified': 'Mon, 01 Jan 2024 00:00:09 GMT' },
      ],
    ])('is noticed by %s', async (_, before, after) => {
      let headers = before;
      const folder = httpFolder((await hostWith({ headers: () => headers })).url, options);
      const file = await folder.open('data/large.bin');
      const first = await file.slice(0, 1000);
      expect(same(first, LARGE.subarray(0, 1000))).toBe(true);
      headers = after;
      await expect(file.slice(FAR, FAR + 10)).rejects.toMatchObject({
        code: 'download-failed',
        message: expect.stringContaining('was replaced while it was read') as string,
      });
      // Opened again, it is the new one that is read.
      const again = await httpFolder(host!.url, options).open('data/large.bin');
      expect(await again.slice(FAR, FAR + 10)).toHaveLength(10);
    });

    it('is noticed where a broken answer goes on', async () => {
      let version = 0;
      const folder = httpFolder(
        (await hostWith({ headers: () => ({ etag: `"${version}"` }), cuts: { times: 1, after: 1000 } })).url,
        { ...options, wait: async () => void version++ },
      );
      const file = await folder.open('data/large.bin');
      await expect(file.slice(0, 300_000)).rejects.toMatchObject({ code: 'download-failed' });
    });

    it('is noticed by its size where the host ignores ranges by now', async () => {
      const habits = { ignoresRanges: false };
      const folder = httpFolder((await hostWith(habits)).url, options);
      const file = await folder.open('data/large.bin');
      habits.ignoresRanges = true;
      files.set('data/large.bin', new Uint8Array(LARGE.length + 1));
      await expect(file.slice(FAR, FAR + 10)).rejects.toMatchObject({ code: 'download-failed' });
    });

    it('is the same file where only the strength of its ETag differs', async () => {
      let headers = { etag: '"one"' };
      const folder = httpFolder((await hostWith({ headers: () => headers })).url, options);
      const file = await folder.open('data/large.bin');
      headers = { etag: 'W/"one"' };
      expect(await file.slice(FAR, FAR + 10)).toHaveLength(10);
    });
  });

  it('says that nothing answers', async () => {
    const folder = httpFolder('http://127.0.0.1:1/', options);
    await expect(folder.has('meta/info.json')).rejects.toMatchObject({ code: 'download-failed' });
    expect(waits.length).toBeLessThan(3);
  });

  it('can be cancelled while it waits', async () => {
    const controller = new AbortController();
    const { url } = await hostWith({ busy: { times: 99, status: 429 } });
    const folder = httpFolder(url, { signal: controller.signal });
    const asked = folder.has('meta/info.json');
    setTimeout(() => controller.abort(), 20);
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('addresses', () => {
  it.each(['http://[x', 'not an address', 'ftp://host/x', 'javascript:alert(1)', ''])(
    'refuses "%s"',
    (text) => {
      expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'bad-input' }));
    },
  );

  it('refuses a zip that is not there', async () => {
    const { url } = await hostWith({});
    await expect(openAddress(`${url}set.zip`, options)).rejects.toMatchObject({ code: 'download-failed' });
  });
});
