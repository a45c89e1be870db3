import { beforeAll, describe, expect, it } from 'vitest';
import { checkMp4Counts } from '../../src/episodes/mp4-counts.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { ModelError } from '../../src/base/errors.ts';
import { fixtureFiles } from './fixture-source.ts';

let video: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  video = (await fixtureFiles('v21')).get('videos/chunk-000/observation.images.front/episode_000000.mp4')!;
});

/** The video with a number of a table changed. @param at bytes after the table's name */
function changed(table: string, at: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = video.slice();
  const found = Buffer.from(bytes.buffer).indexOf(table);
  expect(found).toBeGreaterThan(0);
  new DataView(bytes.buffer).setUint32(found + 4 + at, value);
  return bytes;
}

const check = (bytes: Uint8Array<ArrayBuffer>) => checkMp4Counts(memoryReader(bytes, 'x.mp4'));

describe('the sample tables of an MP4', () => {
  it('are taken as they are, and other files too', async () => {
    await expect(check(video)).resolves.toBeUndefined();
    await expect(check(Uint8Array.from([1, 2, 3]))).resolves.toBeUndefined();
    await expect(check(new Uint8Array(4096).fill(7))).resolves.toBeUndefined();
  });

  it.each([
    ['frames of one duration', 'stts', 8, 'frames in'],
    ['frames of one shift', 'ctts', 8, 'frames in'],
    ['frames', 'stsz', 8, 'frames in'],
    ['frames in a chunk', 'stsc', 12, 'in a chunk'],
    ['durations', 'stts', 4, 'entries in'],
    ['chunks', 'stco', 4, 'entries in'],
    ['key frames', 'stss', 4, 'entries in'],
  ])('are refused with three billion %s', async (_, table, at, message) => {
    await expect(check(changed(table, at, 3_000_000_000))).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining(message),
    });
  });

  it('are looked at wherever a box ends', async () => {
    for (let length = 0; length < video.byteLength; length += 37) {
      const error = await check(video.slice(0, length)).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error === null || error instanceof ModelError).toBe(true);
    }
  });
});
