import { expect, it } from 'vitest';
import { BlockCache } from '../../src/episodes/hdf5-blocks.ts';
import { byteReader } from '../../src/io/byte-reader.ts';

const BLOCK = 64 * 2 ** 10;

it('fetches more ahead of what is read in order, up to a megabyte, for each place that is', async () => {
  const fetched: [number, number][] = [];
  const file = byteReader('it', 100 * BLOCK, async (start, end) => {
    fetched.push([start / BLOCK, end / BLOCK]);
    return new Uint8Array(end - start).fill(start / BLOCK);
  });
  const cache = new BlockCache(file);
  const into = new Uint8Array(BLOCK);
  // Two cameras in turns, as a dataset's frames are read.
  for (let step = 0; step < 50; step++) {
    for (const block of [step, 50 + step]) {
      cache.missing.clear();
      if (cache.read(block * BLOCK, into)) continue;
      await cache.fetchMissing();
      cache.missing.clear();
      expect(cache.read(block * BLOCK, into)).toBe(true);
    }
  }
  const ofFirst = fetched.filter(([from]) => from < 50);
  expect(ofFirst.map(([from, to]) => to - from)).toEqual([4, 7, 13, 17, 17]);
  const blocks = fetched.flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i));
  expect(new Set(blocks).size).toBe(100);
});
