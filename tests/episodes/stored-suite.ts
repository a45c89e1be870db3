/** What real libraries wrote is read as they read it: one suite for Node and the browser. */
import { describe, expect, it } from 'vitest';
import type { Episode } from '../../src/episodes/dataset.ts';
import type { OpenOptions } from '../../src/episodes/reading.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import {
  float32,
  largestDifference,
  pixelsOf,
  storedFolder,
  truthOf,
  type STORED,
  type Truth,
} from './stored-fixture.ts';

interface Case {
  readonly name: keyof typeof STORED;
  readonly options: OpenOptions;
  readonly format: RegExp;
  readonly fps: number;
}

const CASES: readonly Case[] = [
  { name: 'hdf5-libero', options: {}, format: /^HDF5 \(LIBERO/, fps: 20 },
  { name: 'hdf5-aloha', options: {}, format: /^HDF5 \(ACT/, fps: 50 },
  { name: 'rlds', options: { standardise: false }, format: /^RLDS \(TFDS 1\.0\.0; train 3/, fps: 20 },
];

export function storedSuite(): void {
  describe.each(CASES)('$name', ({ name, options, format, fps }) => {
    it('has the values and tasks that its own library reads, to the bit', async () => {
      const truth = await truthOf(name);
      const dataset = await openDataset(await storedFolder(name), options);
      expect(dataset.format).toMatch(format);
      expect(dataset.fps).toBe(fps);
      expect(dataset.episodes).toHaveLength(truth.episodes.length);
      for (const wanted of truth.episodes) await expectEpisode(await dataset.open(wanted.index), wanted);
      await expect(dataset.open(99)).rejects.toMatchObject({ code: 'bad-input' });
      await dataset.close();
    });

    it('has the frames that its own library reads, to the bit', async () => {
      const truth = await truthOf(name);
      const dataset = await openDataset(await storedFolder(name), options);
      expect(truth.frames.length).toBeGreaterThan(1);
      for (const { camera, episode: index, step, png } of truth.frames) {
        const episode = await dataset.open(index);
        const frame = await episode.frame(camera, step);
        expect(largestDifference(frame.data, await pixelsOf(name, png)), `${camera} ${index} ${step}`).toBe(
          0,
        );
        const { width, height } = dataset.cameras.find((one) => one.name === camera)!;
        expect([frame.width, frame.height]).toEqual([width, height]);
        await expect(episode.frame(camera, episode.length)).rejects.toMatchObject({ code: 'bad-input' });
        await expect(episode.frame('left eye', 0)).rejects.toMatchObject({ code: 'bad-input' });
        episode.close();
      }
      await dataset.close();
    });
  });
}

async function expectEpisode(episode: Episode, wanted: Truth['episodes'][number]): Promise<void> {
  expect(episode.length).toBe(wanted.length);
  expect(episode.instruction).toBe(wanted.tasks[0] ?? '');
  expect([...episode.actions]).toEqual(float32(wanted.action));
  expect([...episode.state!]).toEqual(float32(wanted.state));
  expect(episode.instructions).toBeNull();
  episode.close();
}
