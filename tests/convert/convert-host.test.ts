import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { inspectPackage, storedPackages } from '../../src/model/weights/package.ts';
import type { ShardStore } from '../../src/model/weights/shard-store.ts';
import type { CheckpointSource } from '../../src/workers/boundary/contract-convert.ts';
import { zipFolder, type FolderFile } from '../../src/model/weights/zip-folder.ts';
import {
  hubDouble,
  type HubDouble,
  type HubDoubleOptions,
  type Mishap,
  type ServedRange,
} from '../io/hub-double.ts';
import { quirkyHost, type Host } from '../io/quirky-host.ts';
import type { Files } from '../weights/small-package.ts';
import { browser, convertedInNode, STRETCH_BYTES, tab } from './host.ts';
import { REPO, repoFiles } from './repo.ts';

let hub: HubDouble | null = null;
afterEach(async () => {
  await hub?.close();
  hub = null;
});

const SOURCE: CheckpointSource = { kind: 'address', address: REPO };
const none = () => undefined;

async function hubWith(options: HubDoubleOptions = {}, files?: Files): Promise<HubDouble> {
  hub = await hubDouble({ [REPO]: files ?? (await repoFiles()) }, options);
  return hub;
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Hashes of a package's files, of the one package on this device. */
async function stored(store: ShardStore): Promise<Record<string, string>> {
  const [pack] = await store.packages();
  const files = (await store.files(pack!)).filter((path) => !/^(source|conversion)/.test(path));
  const hashes: Record<string, string> = {};
  for (const path of files) hashes[path] = digest(await store.read(pack!, path));
  return hashes;
}

const unchanged = new Map<4 | 8, Promise<Record<string, string>>>();

/** What Node makes of these files; of those that the repository has at first, once for all tests. */
function expected(bits: 4 | 8, files?: Files): Promise<Record<string, string>> {
  const make = async (): Promise<Record<string, string>> => {
    const written = await convertedInNode(files ?? (await repoFiles()), bits);
    return Object.fromEntries([...written].map(([path, bytes]) => [path, digest(bytes)]));
  };
  if (files) return make();
  const made = unchanged.get(bits) ?? make();
  unchanged.set(bits, made);
  return made;
}

/** Numbers between 0 and 1, the same every time. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

describe('a checkpoint on the Hub', () => {
  it('is told from its configuration and headers, before any weight is fetched', async () => {
    const { url, served } = await hubWith();
    const report = await tab(browser(url)).inspect(SOURCE, { bits: 4 });
    expect(report).toMatchObject({
      name: 'tiny-libero',
      robot: 'libero',
      parameters: expect.any(Number) as number,
      state: 'new',
      remote: true,
      verdict: 'ok',
      // The weights and the two modules.
      checkedFiles: 3,
      files: 3,
    });
    expect(report.told[0]).toContain('OpenVLA-OFT with an L1 head');
    expect(report.told[1]).toContain(
      'a robot like "libero", 2 images, chunks of 8 actions between q01 and q99',
    );
    expect(report.checks.map(({ id }) => id)).toContain('storage');
    const weights = (await repoFiles()).get('model.safetensors')!.byteLength;
    const fetched = served
      .filter(({ path }) => path === 'model.safetensors')
      .reduce((sum, { from, to }) => sum + to - from, 0);
    // Its header lies in the first blocks.
    expect(fetched).toBeLessThan(weights / 4);
  });

  it.each([4, 8] as const)('becomes the package that npm run convert makes, at %s bits', async (bits) => {
    const { url } = await hubWith({ uses: 2 });
    const device = browser(url);
    const address = await tab(device).convert(SOURCE, { bits }, none);
    expect(await stored(device.store)).toEqual(await expected(bits));
    const [found] = await storedPackages(device.store);
    expect(found).toMatchObject({ url: address, name: 'tiny-libero', complete: true });
    const inspection = await inspectPackage(address, {
      store: device.store,
      fetch: async () => expect.unreachable(),
    });
    expect(inspection.stored).toBe(true);
    expect(await tab(device).begun()).toEqual([]);
    expect(await tab(device).inspect(SOURCE, { bits })).toMatchObject({ state: 'stored', url: address });
  });

  it('comes through 20 connections that break at random places, addresses that expire, and a busy host', async () => {
    const random = sequence(7);
    let cuts = 20;
    let busy = 3;
    const mishap = ({ from, to }: { from: number; to: number }): Mishap | null => {
      if (cuts > 0 && random() < 0.3) {
        cuts--;
        return { kind: 'cut', after: Math.floor(random() * (to - from)) };
      }
      if (busy > 0 && random() < 0.2) {
        busy--;
        return { kind: 'status', status: 429, retryAfter: '0' };
      }
      return null;
    };
    const { url } = await hubWith({ uses: 2, mishap });
    const device = browser(url);
    await tab(device).convert(SOURCE, { bits: 4 }, none);
    expect({ cuts, busy }).toEqual({ cuts: 0, busy: 0 });
    expect(await stored(device.store)).toEqual(await expected(4));
  });

  it('goes on in a tab that was opened anew, and fetches no weights again that were kept', async () => {
    const { url, served } = await hubWith();
    const device = browser(url);
    let tabs = 0;
    let kept = 0;
    for (let outcome = 'cancelled'; outcome === 'cancelled'; tabs++) {
      const host = tab(device);
      const before = kept;
      served.length = 0;
      const converting = host.convert(SOURCE, { bits: 4 }, (progress) => {
        expect(progress.kept).toBeGreaterThanOrEqual(before);
        ({ kept } = progress);
        // It is closed when another tenth is there.
        if (kept > before + progress.total / 10) void host.pause();
      });
      outcome = await converting.then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      );
      expect(kept).toBeGreaterThan(before);
      // Shorter ones are headers and directories.
      const fetched = served
        .filter(({ path, from, to }) => path !== 'tokenizer.json' && to - from > 65_536)
        .reduce((sum, { from, to }) => sum + to - from, 0);
      // What was on its way when the tab was closed is not kept: eight stretches at most.
      expect(fetched).toBeLessThanOrEqual(kept - before + 8 * STRETCH_BYTES);
      const begun = (await tab(device).begun()).map(({ name, from, bits }) => [name, from, bits]);
      expect(begun).toEqual(outcome === 'done' ? [] : [['tiny-libero', REPO, 4]]);
    }
    expect(tabs).toBeGreaterThan(4);
    expect(await stored(device.store)).toEqual(await expected(4));
  });

  it('is refused where its bytes are not those that the Hub tells, and fetches that file again', async () => {
    let flips = 1;
    const mishap = ({ path, to, from }: ServedRange): Mishap | null =>
      path === 'model.safetensors' && to - from > 90_000 && flips-- > 0
        ? { kind: 'flipped', at: 77_777 }
        : null;
    const { url } = await hubWith({ mishap });
    const device = browser(url);
    await expect(tab(device).convert(SOURCE, { bits: 4 }, none)).rejects.toMatchObject({
      code: 'hash-mismatch',
      message: expect.stringContaining('model.safetensors') as string,
    });
    expect(await storedPackages(device.store)).toEqual([]);
    await tab(device).convert(SOURCE, { bits: 4 }, none);
    expect(await stored(device.store)).toEqual(await expected(4));
  });

  it('is hashed to its end by a tab that goes on in the middle of a file', async () => {
    let flips = 1;
    const mishap = ({ path, from, to }: ServedRange): Mishap | null =>
      // Before the tab is closed.
      path === 'model.safetensors' && from > 200_000 && to - from > 90_000 && flips-- > 0
        ? { kind: 'flipped', at: 1 }
        : null;
    const { url } = await hubWith({ mishap });
    const device = browser(url);
    const host = tab(device);
    const converting = host.convert(SOURCE, { bits: 4 }, ({ kept }) => kept > 600_000 && void host.pause());
    await expect(converting).rejects.toMatchObject({ code: 'cancelled' });
    await expect(tab(device).convert(SOURCE, { bits: 4 }, none)).rejects.toMatchObject({
      code: 'hash-mismatch',
    });
  });

  it('that is gated asks for a token, and sends it to the Hub alone', async () => {
    const double = await hubWith({ token: 'hf_reader' });
    const device = browser(double.url);
    await expect(tab(device).inspect(SOURCE, { bits: 4 })).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringContaining('private or gated') as string,
    });
    await tab(device).convert({ ...SOURCE, token: 'hf_reader' }, { bits: 4 }, none);
    expect(double.storageRequests.some((request) => request.endsWith(' token'))).toBe(false);
    // What is kept on the device does not hold it.
    const [pack] = await device.store.packages();
    for (const path of await device.store.files(pack!))
      expect(Buffer.from(await device.store.read(pack!, path)).includes('hf_reader')).toBe(false);
  });

  it('that changed meanwhile is begun anew, not mixed', async () => {
    const files = await repoFiles();
    const { url } = await hubWith({}, files);
    const device = browser(url);
    const host = tab(device);
    const converting = host.convert(SOURCE, { bits: 4 }, ({ kept }) => kept > 600_000 && void host.pause());
    await expect(converting).rejects.toMatchObject({ code: 'cancelled' });
    const model = files.get('model.safetensors')!;
    // Another value of the last tensor.
    model[model.length - 2]! ^= 1;
    await tab(device).convert(SOURCE, { bits: 4 }, none);
    expect(await stored(device.store)).toEqual(await expected(4, files));
    model[model.length - 2]! ^= 1;
    expect(await tab(device).inspect(SOURCE, { bits: 4 })).toMatchObject({ state: 'new', outdated: true });
  });

  it('is not begun where there is no room, and says how much is missing', async () => {
    const { url, served } = await hubWith();
    const device = browser(url, { quota: 1e6 });
    expect(await tab(device).inspect(SOURCE, { bits: 4 })).toMatchObject({ verdict: 'no' });
    served.length = 0;
    await expect(tab(device).convert(SOURCE, { bits: 4 }, none)).rejects.toMatchObject({
      code: 'storage-full',
      message: expect.stringMatching(/[\d.]+ MB are still needed/) as string,
    });
    expect(await device.store.packages()).toEqual([]);
  });

  it('has one conversion at a time, which can be discarded', async () => {
    const { url } = await hubWith();
    const device = browser(url);
    const host = tab(device);
    const converting = host.convert(SOURCE, { bits: 4 }, ({ kept }) => kept > 0 && void host.pause());
    await expect(host.convert(SOURCE, { bits: 8 }, none)).rejects.toMatchObject({ code: 'busy' });
    await expect(converting).rejects.toMatchObject({ code: 'cancelled' });
    const [begun] = await host.begun();
    expect(begun!.kept).toBeGreaterThan(0);
    await host.discard(begun!.key);
    expect(await host.begun()).toEqual([]);
    expect(await device.store.packages()).toEqual([]);
  });
});

describe('a checkpoint elsewhere', () => {
  it.each(['folder', 'zip', 'web server'] as const)('is converted from a %s', async (place) => {
    const files = await repoFiles();
    const top = REPO.split('/')[1]!;
    let source: CheckpointSource;
    let host: Host | null = null;
    if (place === 'web server') {
      // Without a list of its files, those with a step in their names cannot be found.
      for (const module of ['action_head', 'proprio_projector'])
        files.delete(`${module}--50000_checkpoint.pt`);
      host = await quirkyHost(new Map([...files].map(([path, bytes]) => [`${top}/${path}`, bytes])));
      source = { kind: 'address', address: `${host.url}${top}/` };
    } else {
      const handed = [...files].map(([path, bytes]) => ({
        path: `${top}/${path}`,
        file: new File([bytes], path),
      }));
      const zip = async () =>
        new File([await new Response(zipFolder(await zipped(files))).blob()], `${top}.zip`);
      source = {
        kind: 'files',
        files: place === 'folder' ? handed : [{ path: `${top}.zip`, file: await zip() }],
      };
    }
    const device = browser('http://127.0.0.1:9');
    const report = await tab(device).inspect(source, { bits: 4 });
    expect(report).toMatchObject({ remote: place === 'web server', checkedFiles: 0, robot: 'libero' });
    const address = await tab(device).convert(source, { bits: 4 }, none);
    const made = await stored(device.store);
    expect(made['shard-0000.bin']).toBe((await expected(4, files))['shard-0000.bin']);
    expect((await storedPackages(device.store))[0]).toMatchObject({ url: address, complete: true });
    await host?.close();
  });

  it('that is a package already is not converted', async () => {
    const files = [{ path: 'mine/manifest.json', file: new File(['{}'], 'manifest.json') }];
    await expect(
      tab(browser('http://127.0.0.1:9')).inspect({ kind: 'files', files }, { bits: 4 }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('is a policy package') as string,
    });
  });
});

async function zipped(files: Files): Promise<FolderFile[]> {
  return [...files].map(([path, bytes]) => ({
    path,
    byteLength: bytes.byteLength,
    chunks: async function* () {
      yield bytes;
    },
  }));
}
