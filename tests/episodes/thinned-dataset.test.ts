import { assert, asyncProperty, double, integer } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { thinnedDataset, thinning } from '../../src/episodes/thinned-dataset.ts';

const image = (value: number) => ({ width: 1, height: 1, data: new Uint8ClampedArray([value, 0, 0, 255]) });

/** One target, one difference and one gripper, each told from its step. */
function recorded(length: number, fps: number) {
  const steps = Array.from({ length }, (_, t) => t);
  return memoryDataset({
    name: 'made',
    fps,
    actionNames: ['target', 'difference', 'gripper'],
    stateNames: ['at'],
    cameras: [{ name: 'front', width: 1, height: 1 }],
    episodes: [
      {
        instruction: 'do it',
        actions: Float32Array.from(steps.flatMap((t) => [t + 1, 1, t % 2])),
        state: Float32Array.from(steps),
        frames: { front: steps.map(image) },
      },
    ],
  });
}

const AS = ['last', 'sum', 'last'] as const;

describe('a thinned dataset', () => {
  it('takes targets and grippers at the later time, and sums differences', async () => {
    const thin = thinnedDataset(recorded(10, 30), 10, AS);
    expect(thin.fps).toBe(10);
    expect(thin.episodes[0]!.length).toBe(3);
    const episode = await thin.open(0);
    expect([...episode.actions]).toEqual([3, 3, 0, 6, 3, 1, 9, 3, 0]);
    expect([...episode.state!]).toEqual([0, 3, 6]);
    expect((await episode.frame('front', 2)).data[0]).toBe(6);
    expect(thinning(recorded(10, 30), 10)).toEqual({
      from: 30,
      to: 10,
      steps: 3,
      before: 10,
      after: 3,
      dropped: 1,
    });
    expect(() => episode.frame('front', 3)).toThrow('has 3 steps');
  });

  it('arrives where the recording does at any rate: a target is where the state is at the next step', async () => {
    await assert(
      asyncProperty(
        integer({ min: 0, max: 200 }),
        double({ min: 1, max: 50, noNaN: true }),
        async (length, hz) => {
          const thin = thinnedDataset(recorded(length, 50), hz, AS);
          const episode = await thin.open(0);
          const at = (step: number, dim: number) => episode.actions[step * 3 + dim]!;
          const arrivals: number[] = [];
          let moved = 0;
          for (let step = 0; step < episode.length; step++) {
            moved += at(step, 1);
            // The state counts steps, so the target of a step is the state of the next one, and differences add up to it.
            expect(at(step, 0)).toBe(moved);
            arrivals.push(moved);
          }
          expect([...episode.state!].slice(1)).toEqual(arrivals.slice(0, -1));
          expect(length - moved).toBeLessThan(50 / hz + 1);
          expect(thin.episodes[0]!.length).toBe(episode.length);
        },
      ),
    );
  });

  it('is the dataset itself at its own rate, and refuses others', () => {
    const dataset = recorded(10, 30);
    expect(thinnedDataset(dataset, 30, AS)).toBe(dataset);
    for (const hz of [60, 0, -1, NaN]) {
      expect(() => thinnedDataset(dataset, hz, AS)).toThrow(expect.objectContaining({ code: 'bad-input' }));
    }
    expect(() => thinnedDataset(dataset, 10, ['last'])).toThrow('3');
  });
});
