/** Damaged and hostile HDF5 and RLDS files: typed errors only, in bounded time and memory. A longer campaign: `RUNS=100000`. */
import { describe, expect, it } from 'vitest';
import { crc32c, masked } from '../../src/episodes/rlds-tfrecord.ts';
import { mutated, random } from './mutate.ts';
import { readEverything } from './read-everything.ts';
import { storedFiles, type STORED } from './stored-fixture.ts';

const RUNS = Number(process.env['RUNS'] ?? 100);
const SLOWEST_MS = 2000;
const MOST_GROWTH = 256 * 2 ** 20;

const CASES: [keyof typeof STORED, string][] = [
  ['hdf5-aloha', 'episode_0.hdf5'],
  ['hdf5-variants/libero', 'KITCHEN_SCENE3_turn_on_the_stove_demo.hdf5'],
  ['hdf5-variants/act-jpeg', 'episode_2.hdf5'],
  ['rlds', 'features.json'],
  ['rlds', 'dataset_info.json'],
  ['rlds', 'libero_spatial_no_noops-train.tfrecord-00001-of-00002'],
];

/** Puts the checksum of a mutated record right again, so that what lies behind it is reached. */
function repaired(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer);
  const length = bytes.length - 16;
  if (length < 0) return bytes;
  view.setBigUint64(0, BigInt(length), true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  view.setUint32(12 + length, masked(crc32c(bytes.subarray(12, 12 + length))), true);
  return bytes;
}

describe('mutated files are read or refused, never more', () => {
  it.each(CASES)(
    '%s: %s',
    async (name, file) => {
      const original = await storedFiles(name);
      await readEverything(original);
      const before = process.memoryUsage().rss;
      let slowest = 0;
      let refused = 0;
      for (let seed = 1; seed <= RUNS; seed++) {
        const bytes = mutated(original.get(file)!, seed);
        const repair = file.includes('tfrecord') && random(seed)() < 0.8;
        const files = new Map(original).set(file, repair ? repaired(bytes) : bytes);
        const start = performance.now();
        try {
          if ((await readEverything(files)) < 0) refused += 1;
        } catch (error) {
          throw new Error(`seed ${seed} of ${file}: ${String(error)}`, { cause: error });
        }
        slowest = Math.max(slowest, performance.now() - start);
      }
      expect(refused).toBeGreaterThan(0);
      expect(slowest).toBeLessThan(SLOWEST_MS);
      expect(process.memoryUsage().rss - before).toBeLessThan(MOST_GROWTH);
    },
    RUNS * 200 + 30_000,
  );
});

it('a text of no end is refused: HDF5 would look for it for ever', async () => {
  const files = await storedFiles('hdf5-variants/libero');
  const [[name, bytes]] = [...files] as [[string, Uint8Array<ArrayBuffer>]];
  expect(await readEverything(new Map([[name, mutated(bytes, 833)]]))).toBe(-1);
});
