/** HDF5 where its bytes do not lie at hand: on a server, in a zip. */
import { createServer, type Server } from 'node:http';
import { BlobWriter, Uint8ArrayReader, ZipWriter } from '@zip.js/zip.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { blobReader } from '../../src/io/byte-reader.ts';
import { openAddress } from '../../src/io/open-address.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { float32, storedFiles, truthOf } from './stored-fixture.ts';

const FILE = 'pick_up_the_black_bowl_demo.hdf5';
let server: Server;
let base = '';
let sent = 0;

beforeAll(async () => {
  const bytes = (await storedFiles('hdf5-libero')).get(FILE)!;
  server = createServer((request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from ?? 0);
    const part = bytes.subarray(start, to ? Number(to) + 1 : bytes.length);
    response.writeHead(from === undefined ? 200 : 206, {
      'content-length': part.length,
      'accept-ranges': 'bytes',
      ...(from === undefined
        ? {}
        : { 'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}` }),
    });
    if (request.method === 'HEAD') response.end();
    else {
      sent += part.length;
      response.end(part);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`;
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

it('is opened by its address, and read by ranges', async () => {
  const truth = await truthOf('hdf5-libero');
  const dataset = await openDataset(await openAddress(`${base}set/${FILE}`));
  const episode = await dataset.open(2);
  expect([...episode.actions]).toEqual(float32(truth.episodes[2]!.action));
  expect(sent).toBeGreaterThan(1000);
  await dataset.close();
});

it.each([0, 6])('is read from a zip of level %i, beside a README', async (level) => {
  const bytes = (await storedFiles('hdf5-libero')).get(FILE)!;
  const writer = new ZipWriter(new BlobWriter(), { level });
  await writer.add(`libero/${FILE}`, new Uint8ArrayReader(bytes));
  await writer.add('README.md', new Uint8ArrayReader(new TextEncoder().encode('hello')));
  const zip = await writer.close();
  const dataset = await openDataset(await zipFolder('set.zip', blobReader(zip, 'set.zip')));
  expect(dataset.episodes).toHaveLength(3);
  const frame = await (await dataset.open(0)).frame('agentview_rgb', 3);
  expect(frame.data).toHaveLength(64 * 64 * 4);
});
