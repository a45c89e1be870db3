import { createServer, type Server } from 'node:http';
import { BlobWriter, TextReader, Uint8ArrayReader, ZipWriter } from '@zip.js/zip.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLeRobot } from '../../src/episodes/lerobot.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { blobFolder } from '../../src/io/blob-folder.ts';
import { blobReader } from '../../src/io/byte-reader.ts';
import { readAll, readText } from '../../src/io/folder.ts';
import { httpFolder } from '../../src/io/http-folder.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { fixtureFiles } from '../episodes/fixture-source.ts';

const zipSource = (name: string, zip: Blob) => zipFolder(name, blobReader(zip, name));

async function zipOf(
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  level: number,
  root = '',
): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter(), { level });
  for (const [path, bytes] of files) await writer.add(root + path, new Uint8ArrayReader(bytes));
  return writer.close();
}

describe('folders', () => {
  it.each([0, 9])('read a dataset from a zip at level %i, with a folder around it', async (level) => {
    const files = await fixtureFiles('v30');
    const zip = await zipSource('mine.zip', await zipOf(files, level, 'my dataset/'));
    for (const [path, bytes] of files) expect(await readAll(zip, `my dataset/${path}`)).toEqual(bytes);
    const dataset = await openDataset(zip);
    expect(dataset.name).toBe('my dataset');
    expect(dataset.episodes).toHaveLength(6);
    await expect(zip.open('meta/nothing.json')).rejects.toMatchObject({ code: 'bad-file' });
  });

  it('read a dropped folder, and refuse ranges outside a file', async () => {
    const source = blobFolder('dropped', [
      { path: './a.txt', file: new Blob(['hello']) },
      { path: 'sub\\b.txt', file: new Blob(['world']) },
      { path: '.DS_Store', file: new Blob(['x']) },
    ]);
    expect(await source.list()).toEqual(['a.txt', 'sub/b.txt']);
    expect(await readText(source, 'sub/b.txt')).toBe('world');
    const file = await source.open('a.txt');
    await expect(file.slice(2, 9)).rejects.toMatchObject({ code: 'bad-file' });
  });

  it.each([
    ['a path out of it', '../evil.txt'],
    ['an absolute path', '/etc/passwd'],
    ['a drive', 'C:/x'],
    ['a backslash', 'a\\..\\b'],
  ])('refuse a zip with %s', async (_, path) => {
    const writer = new ZipWriter(new BlobWriter());
    await writer.add(path, new TextReader('x'));
    await expect(zipSource('evil.zip', await writer.close())).rejects.toMatchObject({ code: 'bad-file' });
  });

  it('refuse a zip bomb and what is no zip', async () => {
    const bomb = new Map([['zeros', new Uint8Array(64 * 2 ** 20)]]);
    await expect(zipSource('bomb.zip', await zipOf(bomb, 9))).rejects.toThrow('claims');
    await expect(zipSource('x.zip', new Blob(['not a zip at all']))).rejects.toMatchObject({
      code: 'bad-file',
    });
    const whole = await zipOf(await fixtureFiles('v30'), 0);
    await expect(zipSource('half.zip', whole.slice(0, Math.floor(whole.size / 2)))).rejects.toMatchObject({
      code: 'bad-file',
    });
  });
});

describe('a dataset on a web server', () => {
  let server: Server;
  let base = '';
  let ranges = true;
  const requests: string[] = [];
  beforeAll(async () => {
    const files = await fixtureFiles('v30');
    server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? '').slice(1);
      const bytes = files.get(path);
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      requests.push(`${request.method} ${path} ${request.headers.range ?? ''}`);
      if (!bytes) response.writeHead(404).end();
      else if (request.method === 'HEAD')
        response.writeHead(200, { 'content-length': bytes.byteLength }).end();
      else if (range && ranges)
        response
          .writeHead(206, { 'content-range': `bytes ${range[1]}-${range[2]}/${bytes.byteLength}` })
          .end(bytes.slice(Number(range[1]), Number(range[2]) + 1));
      else response.writeHead(200).end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
    base = `http://localhost:${(server.address() as { port: number }).port}/`;
  });
  afterAll(() => server.close());

  it.each([true, false])('is read (server knows ranges: %s)', async (known) => {
    ranges = known;
    const dataset = await openLeRobot(httpFolder(base));
    const { actions } = await dataset.open(4);
    expect(actions).toHaveLength(15 * 7);
    // No video was touched for numbers.
    expect(requests.some((request) => request.includes('.mp4'))).toBe(false);
  });

  it('says which address failed', async () => {
    await expect(openLeRobot(httpFolder(`${base}nowhere/`))).rejects.toThrow('meta/info.json');
    await expect(openLeRobot(httpFolder('http://localhost:1/'))).rejects.toMatchObject({
      code: 'download-failed',
    });
  });
});
