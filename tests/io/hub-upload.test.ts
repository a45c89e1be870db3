import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { uploadToHub, type HubUpload } from '../../src/io/hub-upload.ts';

const HUB = 'https://hub.test';
const TOKEN = 'hf_secret';

const json = (value: unknown, status = 200) =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json' } });

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The part of the Hub that takes a new dataset: files named *.parquet by LFS, the others in the commit itself. */
function hub({ taken = false, writes = true }: { taken?: boolean; writes?: boolean } = {}) {
  const asked: string[] = [];
  const stored = new Map<string, Uint8Array>();
  const lfs = new Map<string, Uint8Array>();
  let created: Record<string, unknown> | null = null;
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, { ...init, ...(init?.body ? { duplex: 'half' } : {}) });
    const url = new URL(request.url);
    const token = request.headers.get('authorization');
    asked.push(`${request.method} ${url.host}${url.pathname}${token ? ' token' : ''}`);
    if (url.host === 'storage.test') {
      lfs.set(url.pathname.slice(1), new Uint8Array(await request.arrayBuffer()));
      return new Response('');
    }
    if (token !== `Bearer ${TOKEN}` || !writes) return json({ error: 'no' }, 403);
    if (url.pathname === '/api/repos/create') {
      if (taken) return json({ error: 'You already created this dataset repo' }, 409);
      created = (await request.json()) as Record<string, unknown>;
      return json({ url: `${HUB}/datasets/me/mine`, id: '1' });
    }
    if (url.pathname.includes('/preupload/')) {
      const body = (await request.json()) as { files: { path: string }[] };
      return json({
        files: body.files.map(({ path }) => ({
          path,
          uploadMode: path.endsWith('.parquet') ? 'lfs' : 'regular',
        })),
      });
    }
    if (url.pathname.endsWith('/info/lfs/objects/batch')) {
      const { objects } = (await request.json()) as { objects: { oid: string; size: number }[] };
      return json({
        transfer: 'basic',
        objects: objects.map(({ oid, size }) => ({
          oid,
          size,
          actions: { upload: { href: `https://storage.test/${oid}` } },
        })),
      });
    }
    if (url.pathname.includes('/commit/')) {
      for (const line of (await request.text()).split('\n').filter(Boolean)) {
        const { key, value } = JSON.parse(line) as { key: string; value: Record<string, string> };
        if (key === 'file') stored.set(value['path']!, Buffer.from(value['content']!, 'base64'));
        if (key === 'lfsFile') stored.set(value['path']!, lfs.get(value['oid']!)!);
      }
      return json({ commitOid: '2', commitUrl: `${HUB}/commit/2`, hookOutput: '' });
    }
    if (url.pathname.includes('/tag/')) return json({ tag: ((await request.json()) as { tag: string }).tag });
    return json({ error: 'not found' }, 404);
  };
  return { asked, stored, fetch, created: () => created };
}

const FILES = new Map([
  ['data/chunk-000/file-000.parquet', new Uint8Array(5000).map((_, i) => i)],
  ['meta/info.json', new TextEncoder().encode('{}')],
]);

async function* files() {
  for (const [path, bytes] of FILES) {
    yield {
      path,
      chunks: async function* () {
        yield bytes.slice(0, 1);
        yield bytes.slice(1);
      },
    };
  }
}

const about = (fetch: typeof globalThis.fetch): HubUpload => ({
  repo: 'me/mine',
  visibility: 'private',
  token: TOKEN,
  tag: 'v3.0',
  hubUrl: HUB,
  fetch,
});

describe('uploading to the Hub', () => {
  it('makes the repository, fills it and tags it; the token goes to the Hub alone', async () => {
    const double = hub();
    const uploaded: number[] = [];
    const url = await uploadToHub(files(), {
      ...about(double.fetch),
      onUploaded: (count) => uploaded.push(count),
    });
    expect(url).toBe(`${HUB}/datasets/me/mine`);
    expect(double.created()).toMatchObject({
      name: 'mine',
      organization: 'me',
      type: 'dataset',
      visibility: 'private',
    });
    expect([...double.stored.keys()].toSorted()).toEqual([...FILES.keys()].toSorted());
    for (const [path, bytes] of FILES) expect(hash(double.stored.get(path)!)).toBe(hash(bytes));
    expect(uploaded).toEqual([2]);
    expect(double.asked.at(-1)).toBe('POST hub.test/api/datasets/me/mine/tag/main token');
    expect(double.asked.filter((line) => line.includes('storage.test') && line.endsWith('token'))).toEqual(
      [],
    );
  });

  it('never writes into a repository that is there', async () => {
    const double = hub({ taken: true });
    await expect(uploadToHub(files(), about(double.fetch))).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('already') as string,
    });
    expect(double.stored.size).toBe(0);
  });

  it.each(['mine', 'me/', '../me/x', 'me/x/y', 'me/a b', ''])('refuses the name "%s"', async (repo) => {
    const double = hub();
    const upload = { ...about(double.fetch), repo };
    await expect(uploadToHub(files(), upload)).rejects.toMatchObject({ code: 'bad-input' });
    expect(double.asked).toEqual([]);
  });

  it('says that a token may not write, without showing it', async () => {
    const double = hub({ writes: false });
    const failure = await uploadToHub(files(), about(double.fetch)).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'upload-failed',
      message: expect.stringContaining('403') as string,
    });
    expect(JSON.stringify(failure) + String(failure)).not.toContain(TOKEN);
  });

  it('stops when it is cancelled', async () => {
    const double = hub();
    const stop = new AbortController();
    stop.abort();
    const upload = { ...about(double.fetch), signal: stop.signal };
    await expect(uploadToHub(files(), upload)).rejects.toMatchObject({ code: 'cancelled' });
    expect(double.asked).toEqual([]);
  });
});
