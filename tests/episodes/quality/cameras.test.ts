import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../../src/episodes/dataset.ts';
import { reviewDataset } from '../../../src/episodes/quality/review.ts';
import { CAMERAS, CHUNK, LENGTH, SIZE, datasetOf, pause, review, several } from './demonstrations.ts';

describe('a frozen camera', () => {
  it('is found while the robot moves, by camera', async () => {
    const findings = await review(([first]) => {
      const { wrist } = first!.frames;
      wrist!.fill(wrist![20]!, 20);
    });
    expect(findings).toMatchObject([{ id: 'frozen-camera', episode: 0, camera: 'wrist', to: LENGTH }]);
    expect(findings[0]!.from).toBeGreaterThanOrEqual(20);
  });

  it('is found under noise that is no motion', async () => {
    const findings = await review(([first]) => {
      const { front } = first!.frames;
      const still = front![0]!.data;
      for (let t = 0; t < LENGTH; t++) {
        const data = still.map((value, i) => (i % 4 === 3 ? 255 : value + ((i + t) % 2)));
        front![t] = { width: SIZE, height: SIZE, data };
      }
    });
    expect(findings).toMatchObject([{ id: 'frozen-camera', camera: 'front', from: 0, to: LENGTH }]);
  });

  it('is not a camera that sees a robot at rest', async () => {
    const findings = await review(([first]) => pause(first!, 20, 50));
    expect(findings.map(({ id }) => id)).toEqual(['idle']);
  });

  it('is looked for in few frames of few episodes', async () => {
    const asked = new Map<string, number>();
    const dataset = datasetOf(several(20));
    const counting: Dataset = {
      ...dataset,
      open: async (index) => {
        const episode = await dataset.open(index);
        return {
          ...episode,
          frame: (camera, step) => {
            const key = `${index} ${camera}`;
            asked.set(key, (asked.get(key) ?? 0) + 1);
            return episode.frame(camera, step);
          },
        };
      },
    };
    await reviewDataset(counting, { chunkSize: CHUNK });
    // Of the other episodes only the first and the last frame, which a video may lack.
    const counts = [...asked.values()].toSorted((a, b) => b - a);
    expect(counts.slice(0, 8 * CAMERAS.length)).toEqual(Array.from({ length: 8 * CAMERAS.length }, () => 12));
    expect(counts.slice(8 * CAMERAS.length)).toEqual(Array.from({ length: 12 * CAMERAS.length }, () => 2));
  });
});
