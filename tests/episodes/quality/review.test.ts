import { describe, expect, it } from 'vitest';
import { reviewEpisode } from '../../../src/episodes/quality/review.ts';
import { CHUNK, FPS, POLICY, datasetOf, healthy, nothing, review, several } from './demonstrations.ts';

describe('healthy demonstrations', () => {
  it('give no finding, with and without a policy or a state', async () => {
    expect(await review(nothing)).toEqual([]);
    expect(await review(nothing, { policy: POLICY, fps: FPS })).toEqual([]);
    expect(await review(nothing, {}, { stateless: true })).toEqual([]);
  });

  it('give no finding one by one', async () => {
    const dataset = datasetOf(several(5));
    for (const { index } of dataset.episodes)
      expect(await reviewEpisode(await dataset.open(index), dataset, { chunkSize: CHUNK })).toEqual([]);
  });
});

describe('long work', () => {
  it('counts up to its total', async () => {
    const progress: [number, number][] = [];
    await review(nothing, { onProgress: (done, total) => progress.push([done, total]) });
    expect(progress).toEqual(Array.from({ length: 20 }, (_, i) => [i + 1, 20]));
  });

  it.each([0, 5, 15])('stops when it is cancelled after %i of it', async (after) => {
    const controller = new AbortController();
    if (after === 0) controller.abort();
    const onProgress = (done: number) => {
      if (done > after) throw new Error('went on after it was cancelled');
      if (done === after) controller.abort();
    };
    await expect(review(nothing, { signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'cancelled',
    });
    const dataset = datasetOf([healthy(0)]);
    await expect(
      reviewEpisode(await dataset.open(0), dataset, { signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'cancelled' });
  });
});
