import { afterEach, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { hubAddress, hubFolder } from '../../src/io/hub-folder.ts';
import { openAddress } from '../../src/io/open-address.ts';
import { fixtureFiles } from '../episodes/fixture-source.ts';
import { COMMIT, hubDouble, type HubDouble } from './hub-double.ts';

let hub: HubDouble | null = null;
afterEach(async () => {
  await hub?.close();
  hub = null;
});

describe('Hub addresses', () => {
  const dataset = { type: 'dataset', repo: 'lerobot/svla_so101_pickplace', revision: 'main', path: '' };
  it.each([
    'lerobot/svla_so101_pickplace',
    ' lerobot/svla_so101_pickplace ',
    'https://huggingface.co/datasets/lerobot/svla_so101_pickplace',
    'https://huggingface.co/datasets/lerobot/svla_so101_pickplace/tree/main',
    'https://huggingface.co/datasets/lerobot/svla_so101_pickplace/viewer',
    'huggingface.co/datasets/lerobot/svla_so101_pickplace/',
    'hf://datasets/lerobot/svla_so101_pickplace',
  ])('understands %s', (text) =>
    expect(hubAddress(text, 'dataset')).toMatchObject({ ...dataset, path: expect.any(String) as string }),
  );

  it('understands revisions, folders and files', () => {
    expect(hubAddress('a/b@v2.1', 'dataset')).toMatchObject({ repo: 'a/b', revision: 'v2.1' });
    expect(hubAddress('https://huggingface.co/datasets/a/b/tree/refs%2Fpr%2F1/sub/one', 'dataset')).toEqual({
      type: 'dataset',
      repo: 'a/b',
      revision: 'refs/pr/1',
      path: 'sub/one/',
    });
    expect(hubAddress('https://huggingface.co/a/b/blob/main/x/config.json', 'dataset')).toEqual({
      type: 'model',
      repo: 'a/b',
      revision: 'main',
      path: 'x/',
    });
  });

  it.each([
    'https://example.org/a/b',
    './a/b',
    '../b',
    'a',
    'a/b/c',
    'https://huggingface.co/spaces/a/b',
    'a/b@c@d',
  ])('leaves %s to others', (text) => expect(hubAddress(text, 'dataset')).toBeNull());
});

describe('a Hub repository', () => {
  it('is read through redirects to signed addresses that expire', async () => {
    const files = await fixtureFiles('v30');
    hub = await hubDouble({ 'datasets/lerobot/mine': files }, { uses: 1 });
    const folder = await openAddress('lerobot/mine', { hubUrl: hub.url });
    expect(await folder.list()).toEqual([...files.keys()].toSorted());
    const video = [...files.keys()].find((path) => path.endsWith('.mp4'))!;
    const reader = await folder.open(video);
    expect(reader.byteLength).toBe(files.get(video)!.length);
    for (let at = 0; at < reader.byteLength; at += 1000) {
      const end = Math.min(reader.byteLength, at + 500);
      expect(await reader.slice(at, end)).toEqual(files.get(video)!.slice(at, end));
    }
    const dataset = await openDataset(folder);
    expect(dataset.name).toBe('mine');
    expect((await dataset.open(4)).actions).toHaveLength(15 * 7);
  });

  it('sends the token to the Hub only', async () => {
    hub = await hubDouble(
      { 'a/b': new Map([['x.bin', new Uint8Array(5000).fill(7)]]) },
      { token: 'hf_secret' },
    );
    const address = { type: 'model', repo: 'a/b', revision: 'main', path: '' } as const;
    await expect(hubFolder(address, { hubUrl: hub.url })).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringContaining('private or gated') as string,
    });
    const folder = await hubFolder(address, { hubUrl: hub.url, hubToken: 'hf_secret' });
    const file = await folder.open('x.bin');
    expect(await file.slice(10, 20)).toEqual(new Uint8Array(10).fill(7));
    expect(hub.hubRequests.filter((request) => request.endsWith(' token')).length).toBeGreaterThan(1);
    expect(hub.storageRequests.some((request) => request.endsWith(' token'))).toBe(false);
  });

  it('is read of the commit that the branch names when it is opened, whatever is pushed meanwhile', async () => {
    hub = await hubDouble({ 'datasets/a/b': new Map([['x.bin', new Uint8Array(5000)]]) });
    const folder = await openAddress('a/b@some-branch', { hubUrl: hub.url });
    await (await folder.open('x.bin')).slice(0, 10);
    const [first, ...others] = hub.hubRequests.map((request) => request.replace(/\?.*/, ''));
    expect(first).toBe('GET /api/datasets/a/b/revision/some-branch');
    expect(others).toEqual([
      `GET /api/datasets/a/b/tree/${COMMIT}`,
      `GET /datasets/a/b/resolve/${COMMIT}/x.bin`,
    ]);
  });

  it('that does not exist is said to be so', async () => {
    hub = await hubDouble({});
    await expect(openAddress('no/body', { hubUrl: hub.url })).rejects.toMatchObject({
      code: 'download-failed',
    });
  });
});
