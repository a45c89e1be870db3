import { describe, expect, it } from 'vitest';
import { decodeFloat32, encodeTensor } from '../../src/model/weights/encoding.ts';
import {
  inspectPackage,
  openPackage,
  removePackage,
  packageKey,
  type ShardProgress,
} from '../../src/model/weights/package.ts';
import { PackageReader } from '../../src/model/weights/package-reader.ts';
import { memoryShardStore, type ShardStore } from '../../src/model/weights/shard-store.ts';
import '../setup/compare.ts';
import { refusal, refusalCode, refusedWith } from './refused.ts';
import { ENCODING_OF, PACKAGE_URL, serve, smallPackage, type Files, type Server } from './small-package.ts';

async function setUp(options: { quota?: number } = {}) {
  const { files, manifest, tensors } = await smallPackage();
  const server = serve(files);
  const store = memoryShardStore(options);
  const open = (
    more: { signal?: AbortSignal; onProgress?: (files: readonly ShardProgress[]) => void } = {},
  ) => openPackage(PACKAGE_URL, { store, fetch: server.fetch, ...more });
  return { files, manifest, tensors, server, store, open, pack: await packageKey(PACKAGE_URL) };
}

async function readAll(reader: PackageReader): Promise<void> {
  for (const name of reader.names) await reader.load(name);
  await reader.tokenizer();
}

const flipped = (bytes: Uint8Array<ArrayBuffer>, at = bytes.length >> 1): Uint8Array<ArrayBuffer> =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

/** A stored file with one bit turned over. */
async function damageStored(store: ShardStore, pack: string, path: string): Promise<void> {
  await store.write(pack, path, flipped(await store.read(pack, path)));
}

/** Requests but for the manifest's. */
const shardRequests = (server: Server) => server.requests.filter((request) => !request.endsWith('.json'));

describe('a package', () => {
  it('gives back what was written, tensors that span shards included', async () => {
    const { open, manifest, tensors } = await setUp();
    expect(manifest.shards.length).toBeGreaterThan(3);
    expect(manifest.shards.slice(0, -1).map(({ byteLength }) => byteLength)).toEqual(
      manifest.shards.slice(1).map(() => 1024),
    );
    const reader = await open();
    expect(reader.names).toEqual(Object.keys(ENCODING_OF));
    for (const [name, { shape }] of tensors.entries) {
      const encoding = ENCODING_OF[name as keyof typeof ENCODING_OF];
      const expected = encodeTensor(name, shape, await tensors.readFloat32(name), encoding);
      expect(await reader.load(name)).toEqual(expected);
      expect(reader.byteLengthOf(name)).toBe(expected.data.byteLength + (expected.scales?.byteLength ?? 0));
      expect(decodeFloat32(await reader.load(name))).toBeNear(await tensors.readFloat32(name), 0.15);
    }
    expect(await reader.tokenizer()).toEqual({ 'a tokenizer': true });
    expect(await refusalCode(() => reader.load('nowhere'))).toBe('missing-tensor');
  });

  it('reads each shard once when its tensors are loaded in order', async () => {
    const { files, manifest } = await smallPackage();
    const reads: string[] = [];
    const reader = new PackageReader(manifest, async (path) => {
      reads.push(path);
      return files.get(path)!;
    });
    for (const name of reader.names) await reader.load(name);
    expect(reads).toEqual(manifest.shards.map(({ path }) => path));
  });

  it('reads again what failed once', async () => {
    const { files, manifest } = await smallPackage();
    let failures = 1;
    const reader = new PackageReader(manifest, async (path) => {
      if (failures-- > 0) throw new Error('a hiccup');
      return files.get(path)!;
    });
    await expect(reader.load('table')).rejects.toThrow('a hiccup');
    expect((await reader.load('table')).shape).toEqual([40, 20]);
  });
});

describe('openPackage', () => {
  it('downloads everything once, reports each file, then opens without any request', async () => {
    const { open, server, manifest, store } = await setUp();
    const seen: (readonly ShardProgress[])[] = [];
    const reader = await open({ onProgress: (files) => seen.push(files) });
    expect(server.requests).toEqual([
      'manifest.json',
      'tokenizer.json',
      ...manifest.shards.map(({ path }) => path),
    ]);
    await readAll(reader);
    expect(seen.at(-1)!.map(({ state }) => state)).toEqual(seen[0]!.map(() => 'done'));
    for (const file of seen.flat()) expect(file.loaded).toBeLessThanOrEqual(file.total);

    server.requests.length = 0;
    await readAll(await open());
    expect((await inspectPackage(PACKAGE_URL, { store, fetch: server.fetch })).stored).toBe(true);
    expect(server.requests).toEqual([]);
  });

  it('inspects without fetching a shard', async () => {
    const { server, store } = await setUp();
    const { stored, storedBytes, manifest, hash } = await inspectPackage(PACKAGE_URL, {
      store,
      fetch: server.fetch,
    });
    expect({ stored, storedBytes, name: manifest.name }).toEqual({
      stored: false,
      storedBytes: 0,
      name: 'small',
    });
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(server.requests).toEqual(['manifest.json']);
  });

  it.each([true, false])(
    'resumes a shard that was cut short at the byte where it stopped (ranges: %s)',
    async (ranges) => {
      const { open, server, manifest, tensors } = await setUp();
      const shard = manifest.shards[1]!.path;
      server.cut.set(shard, 700);
      const error = await refusal(open);
      expect(error.code).toBe('download-failed');
      expect(error.message).toContain(shard);

      server.cut.clear();
      server.ranges = ranges;
      server.requests.length = 0;
      const reader = await open();
      expect(shardRequests(server)).toEqual([
        `${shard} bytes=700-`,
        ...manifest.shards.slice(2).map(({ path }) => path),
      ]);
      await readAll(reader);
      expect(decodeFloat32(await reader.load('bias'))).toBeNear(await tensors.readFloat32('bias'), 0);
    },
  );

  it('tells a response that ends early, and one that is longer than the manifest says', async () => {
    const { open, server, manifest, files } = await setUp();
    const { path } = manifest.shards[0]!;
    const whole = files.get(path)!;
    server.files = new Map([...files, [path, whole.slice(0, 500)]]);
    expect(await refusedWith('download-failed', open)).toContain(`${path} ended after 500 of 1024 bytes`);
    server.files = new Map([...files, [path, new Uint8Array(5000)]]);
    expect(await refusedWith('download-failed', open)).toContain('longer');
    // Neither spoils what comes after.
    server.files = files;
    await readAll(await open());
  });

  it('starts a file anew when the server’s is shorter than the part that is here', async () => {
    const { open, server, manifest, files, store, pack } = await setUp();
    const { path } = manifest.shards[0]!;
    server.cut.set(path, 900);
    await refusal(open);
    server.cut.clear();
    server.files = new Map([...files, [path, files.get(path)!.slice(0, 100)]]);
    expect(await refusedWith('download-failed', open)).toContain('100 of 1024');
    expect(await store.byteLength(pack, path)).toBe(100);
    server.files = files;
    await readAll(await open());
  });

  it('fetches a shard again that came damaged, and names one that stays so', async () => {
    const { open, server, manifest, files, store, pack } = await setUp();
    const { path, sha256 } = manifest.shards[2]!;
    server.files = new Map([...files, [path, flipped(files.get(path)!)]]);
    const reader = await open();
    const message = await refusedWith('hash-mismatch', () => readAll(reader));
    expect(message).toContain(path);
    expect(message).toContain(sha256.slice(0, 12));
    expect(server.requests.filter((request) => request === path)).toHaveLength(2);
    expect(await store.byteLength(pack, path)).toBe(0);

    // The server is repaired: the same reader recovers, and only that shard is fetched.
    server.files = files;
    server.requests.length = 0;
    await readAll(await open());
    expect(shardRequests(server)).toEqual([path]);
  });

  it('detects a bit that flipped in the store and fetches that file alone again', async () => {
    const { open, server, manifest, store, pack, tensors } = await setUp();
    await readAll(await open());
    for (const { path } of [manifest.shards[1]!, manifest.tokenizer]) {
      await damageStored(store, pack, path);
      server.requests.length = 0;
      const states = new Set<string>();
      const reader = await open({
        onProgress: (files) => states.add(files.find((file) => file.name === path)!.state),
      });
      await readAll(reader);
      expect(server.requests).toEqual([path]);
      expect(states).toContain('refetching');
      expect(decodeFloat32(await reader.load('bias'))).toBeNear(await tensors.readFloat32('bias'), 0);
    }
    server.requests.length = 0;
    await readAll(await open());
    expect(server.requests).toEqual([]);
  });

  it('says what is missing when the device is full, and loses nothing', async () => {
    const { files } = await smallPackage();
    const total = [...files.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    const { open, store, pack, manifest } = await setUp({ quota: total - 500 });
    const error = await refusal(open);
    expect(error.code).toBe('storage-full');
    expect(error.message).toMatch(/MB are still needed/);
    for (const { path, byteLength } of manifest.shards.slice(0, -1))
      expect(await store.byteLength(pack, path)).toBe(byteLength);
  });

  it('stops when it is cancelled, and resumes', async () => {
    const { open, server, manifest } = await setUp();
    const abort = new AbortController();
    const { path } = manifest.shards[1]!;
    server.before = (asked) => asked === path && abort.abort();
    expect(await refusalCode(() => open({ signal: abort.signal }))).toBe('cancelled');
    server.before = () => undefined;
    server.requests.length = 0;
    await readAll(await open());
    expect(shardRequests(server)[0]).toBe(path);

    const waiting = new AbortController();
    waiting.abort();
    expect(await refusalCode(() => open({ signal: waiting.signal }))).toBe('cancelled');
  });

  it('stops in the middle of a file, and keeps what came of it', async () => {
    const { open, server, manifest, store, pack } = await setUp();
    const abort = new AbortController();
    const { path } = manifest.shards[0]!;
    const { fetch } = server;
    const slow: Server['fetch'] = async (url, init) => {
      const response = await fetch(url, init);
      if (!url.endsWith(path)) return response;
      const body = response.body!.pipeThrough(
        new TransformStream({
          transform: (chunk, controller) => {
            controller.enqueue(chunk);
            abort.abort();
          },
        }),
      );
      return new Response(body);
    };
    const cancelled = openPackage(PACKAGE_URL, { store, fetch: slow, signal: abort.signal });
    expect(await refusalCode(() => cancelled)).toBe('cancelled');
    const kept = await store.byteLength(pack, path);
    expect(kept).toBeGreaterThan(0);
    server.requests.length = 0;
    await readAll(await open());
    expect(shardRequests(server)[0]).toBe(`${path} bytes=${kept}-`);
  });

  it('works for two tabs at once, downloading once', async () => {
    const { open, server, manifest } = await setUp();
    const [one, two] = await Promise.all([open(), open()]);
    await readAll(one);
    await readAll(two);
    expect(shardRequests(server)).toEqual(manifest.shards.map(({ path }) => path));
  });

  it('drops what belongs to another version of the package, and keeps equal files', async () => {
    const { server, open, files, manifest, store, pack } = await setUp();
    const last = manifest.shards.at(-1)!.path;
    server.cut.set(last, 10);
    await refusal(open);
    server.cut.clear();
    // The same shards under another manifest, but for the first one, which has other bytes.
    const first = manifest.shards[0]!;
    const changed = flipped(files.get(first.path)!);
    const { createHash } = await import('node:crypto');
    const sha256 = createHash('sha256').update(changed).digest('hex');
    const newer = {
      ...manifest,
      description: 'newer',
      shards: manifest.shards.map((shard) => (shard === first ? { ...shard, sha256 } : shard)),
    };
    server.files = new Map([
      ...files,
      [first.path, changed],
      ['manifest.json', new TextEncoder().encode(JSON.stringify(newer))],
    ]);
    server.requests.length = 0;
    const reader = await open();
    expect(reader.manifest.description).toBe('newer');
    expect(shardRequests(server)).toEqual([first.path, `${last} bytes=10-`]);
    expect(await store.read(pack, first.path)).toEqual(changed);
  });

  it('refuses a package of another version before any shard, and a server that has none', async () => {
    const { open, server, files, manifest } = await setUp();
    const version = (formatVersion: number): Files =>
      new Map([['manifest.json', new TextEncoder().encode(JSON.stringify({ ...manifest, formatVersion }))]]);
    server.files = version(3);
    expect(await refusedWith('package-version', open)).toContain('version 3');
    server.files = new Map();
    expect(await refusedWith('download-failed', open)).toContain('404');
    server.files = new Map([['manifest.json', new TextEncoder().encode('<html>')]]);
    expect(await refusedWith('bad-package', open)).toContain(PACKAGE_URL);
    expect(server.requests).toEqual(['manifest.json', 'manifest.json', 'manifest.json']);
    server.files = files;
    await readAll(await open());
  });

  it('is gone after removePackage, other packages stay', async () => {
    const { open, server, store } = await setUp();
    await readAll(await open());
    const other = 'https://models.test/small/../small/manifest.json';
    await openPackage(other.replace('../small/', ''), { store, fetch: server.fetch });
    await store.write('other', 'file', Uint8Array.of(1));
    await removePackage(PACKAGE_URL, store);
    expect((await inspectPackage(PACKAGE_URL, { store, fetch: server.fetch })).storedBytes).toBe(0);
    expect(await store.byteLength('other', 'file')).toBe(1);
  });
});
