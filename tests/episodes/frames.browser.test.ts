import { describe, expect, it } from 'vitest';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { openLeRobot } from '../../src/episodes/lerobot.ts';
import { loadFixture } from '../setup/fixture.ts';
import { fixtureFiles, fixtureSource, FIXTURES } from './fixture-source.ts';
import { CAMERAS, expectColour, framesSeen } from './painted-frames.ts';
import { FRAME_LIMITS, frameDifferences, REAL_SETS } from './real-sets.ts';

describe.each(FIXTURES)('frames of %s', (name) => {
  const exact = name === 'images';

  it('are the right ones in order', async () => {
    const steps = Array.from({ length: 12 }, (_, step): [number, number] => [1, step]);
    expect(await framesSeen(await openLeRobot(await fixtureSource(name)), steps, exact)).toBe(24);
  });

  it('are the right ones at first, middle, last, back and forth, across episodes', async () => {
    const steps: [number, number][] = [
      [0, 0],
      [0, 13],
      [0, 7],
      [0, 6],
      [5, 11],
      [2, 15],
      [2, 0],
      [3, 12],
      [4, 14],
      [4, 14],
      [4, 1],
    ];
    expect(await framesSeen(await openLeRobot(await fixtureSource(name)), steps, exact)).toBe(22);
  });
});

it('are the right ones for several who ask at once, of one file with all episodes', async () => {
  const dataset = await openLeRobot(await fixtureSource('v30'));
  const episodes = await Promise.all([0, 3, 5].map((index) => dataset.open(index)));
  const asked = episodes.flatMap((episode) => [0, 9, 4].map((step) => ({ episode, step })));
  const images = await Promise.all(asked.map(({ episode, step }) => episode.frame(CAMERAS[0]!, step)));
  expect(images).toHaveLength(9);
  images.forEach((image, i) => {
    const { episode, step } = asked[i]!;
    expectColour(image, 0, episode.index, step);
  });
  await dataset.close();
});

describe('a damaged video', () => {
  const path = 'videos/chunk-000/observation.images.front/episode_000000.mp4';

  it('is refused with its name, and the other camera still works', async () => {
    const files = await fixtureFiles('v21');
    files.set(path, new Uint8Array(500).fill(7));
    const episode = await (await openLeRobot(memoryFolder('x', files))).open(0);
    await expect(episode.frame(CAMERAS[0]!, 0)).rejects.toMatchObject({ code: 'bad-file' });
    expectColour(await episode.frame(CAMERAS[1]!, 3), 1, 0, 3);
    files.delete(path);
    const other = await (await openLeRobot(memoryFolder('x', files))).open(0);
    await expect(other.frame(CAMERAS[0]!, 0)).rejects.toThrow(path);
  });

  it('is refused with its codec where this browser cannot decode it', async () => {
    const files = await fixtureFiles('v21');
    files.set(path, new Uint8Array(await loadFixture('tests/episodes/fixtures/mpeg4.mp4')));
    const episode = await (await openLeRobot(memoryFolder('x', files))).open(0);
    const error = await episode.frame(CAMERAS[0]!, 0).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unsupported' });
    expect((error as Error & { hint: string }).hint).toContain('H.264');
  });

  it('says where it ends when it is shorter than the table', async () => {
    const files = await fixtureFiles('v21');
    files.set(path, files.get(path.replace('000000', '000001'))!);
    const episode = await (await openLeRobot(memoryFolder('x', files))).open(0);
    await expect(episode.frame(CAMERAS[0]!, 13)).rejects.toMatchObject({ code: 'bad-file' });
  });
});

describe.each(REAL_SETS)('frames of %s, as lerobot wrote it', (set) => {
  it('are those that lerobot reads, as in Node', async () => {
    for (const { worst, mean } of await frameDifferences(set)) {
      expect(worst).toBeLessThanOrEqual(FRAME_LIMITS[set].worst);
      expect(mean).toBeLessThanOrEqual(FRAME_LIMITS[set].mean);
    }
  });
});
