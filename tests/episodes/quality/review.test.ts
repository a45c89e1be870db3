import { describe, expect, it } from 'vitest';
import { FPS, POLICY, nothing, review } from './demonstrations.ts';

describe('healthy demonstrations', () => {
  it('give no finding, with and without a policy or a state', async () => {
    expect(await review(nothing)).toEqual([]);
    expect(await review(nothing, { policy: POLICY, fps: FPS })).toEqual([]);
    expect(await review(nothing, {}, { stateless: true })).toEqual([]);
  });
});

describe('long work', () => {
  it('counts up to its total', async () => {
    const progress: [number, number][] = [];
    await review(nothing, { onProgress: (done, total) => progress.push([done, total]) });
    expect(progress).toEqual(Array.from({ length: 24 }, (_, i) => [i + 1, 24]));
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
  });
});
