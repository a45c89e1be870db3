import { mkdtemp, open, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDiskFile } from '../../tools/node/disk-folder.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'disk-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// Hugging Face's shards have up to 5 GB; Node 20 counts the bytes of a file's Blob in 32 bits.
test('a file of more than 4 GB is read where it is asked for', async () => {
  const path = join(folder, 'large.bin');
  const byteLength = 2 ** 32 + 1000;
  const file = await open(path, 'w');
  await file.write(Uint8Array.of(1, 2, 3), 0, 3, 2 ** 32 + 500);
  await file.close();
  // The rest is a hole, which takes no room.
  await truncate(path, byteLength);
  const reader = await openDiskFile(path, 'large.bin');
  expect(reader.byteLength).toBe(byteLength);
  expect(await reader.slice(2 ** 32 + 499, 2 ** 32 + 504)).toEqual(Uint8Array.of(0, 1, 2, 3, 0));
});

test.each([1000, 2 ** 18])(
  'a file that is changed meanwhile is noticed, in reads of %i bytes',
  async (bytes) => {
    const path = join(folder, `changed-${bytes}.bin`);
    await writeFile(path, new Uint8Array(2 ** 18));
    const reader = await openDiskFile(path, 'changed.bin');
    expect(await reader.slice(0, bytes)).toHaveLength(bytes);
    await writeFile(path, new Uint8Array(2 ** 18).fill(1));
    await utimes(path, new Date(), new Date(Date.now() + 5000));
    await expect(reader.slice(0, bytes)).rejects.toMatchObject({ code: 'bad-file' });
  },
);
