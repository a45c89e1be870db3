import { describe, expect, it } from 'vitest';
import { editedDataset } from '../../../src/episodes/edited-dataset.ts';
import { reviewDataset } from '../../../src/episodes/quality/review.ts';
import { CHUNK, LENGTH, datasetOf, pause, review, several, type Made } from './demonstrations.ts';

describe('idle', () => {
  it('is found at the beginning, with where to trim', async () => {
    const findings = await review((made) => pause(made[3]!, 0, 15));
    expect(findings).toMatchObject([{ id: 'idle', severity: 'warning', episode: 3, from: 0, to: 15 }]);
    expect(findings[0]!.message).toContain('1.5 s');
    expect(findings[0]!.hint).toContain('from step 15');
  });

  it('is found at the end and in the middle, and not below a second', async () => {
    const findings = await review((made) => {
      pause(made[0]!, 45, LENGTH);
      pause(made[1]!, 10, 22);
      pause(made[2]!, 10, 19);
    });
    expect(findings).toMatchObject([
      { id: 'idle', episode: 0, from: 45, to: LENGTH, hint: expect.stringContaining('before 45') },
      { id: 'idle', episode: 1, from: 10, to: 22, hint: expect.stringContaining('cannot be trimmed') },
    ]);
  });

  it('is not a held difference while the state moves, nor a hand at rest while the gripper closes', async () => {
    const findings = await review((made) => {
      const { actions, state } = made[0]!;
      for (let t = 20; t < 35; t++) {
        actions[t] = [0.1, 0.1, 0];
        if (t > 20) state[t] = [state[t - 1]![0]! + 0.02, state[t - 1]![1]! - 0.02, 0.04];
      }
      pause(made[1]!, 20, 34);
      for (let t = 27; t < 34; t++) made[1]!.actions[t] = [0, 0, 1];
    });
    expect(findings.filter(({ id }) => id === 'idle')).toEqual([]);
  });

  it('is found without a state, where differences are 0', async () => {
    const findings = await review(
      (made) => {
        pause(made[4]!, 45, LENGTH);
        for (let t = 20; t < 35; t++) made[5]!.actions[t] = [0.1, 0.1, 0];
      },
      {},
      { stateless: true },
    );
    expect(findings).toMatchObject([{ id: 'idle', episode: 4, from: 45, to: LENGTH }]);
  });

  it('is gone when the episode is trimmed as it says', async () => {
    const made = several();
    pause(made[3]!, 0, 15);
    const dataset = datasetOf(made);
    const [idle] = await reviewDataset(dataset, { chunkSize: CHUNK });
    const edited = editedDataset(dataset, { [idle!.episode!]: { keep: [idle!.to!, LENGTH] } });
    expect(await reviewDataset(edited, { chunkSize: CHUNK })).toEqual([]);
  });
});

describe('a jump', () => {
  it('is found with its place, once per dimension', async () => {
    const findings = await review((made) => {
      made[4]!.state[30]![1]! += 8;
    });
    expect(findings).toMatchObject([
      { id: 'jump', episode: 4, dimension: 'y', message: expect.stringContaining('2 times') },
    ]);
    expect([29, 30]).toContain(findings[0]!.from);
    expect(findings[0]!.to).toBe(findings[0]!.from! + 2);
  });
});

/** As an angle that the hand's contact with things turns, now and then. */
const nudged = (made: Made[], size: number) => {
  for (const [episode, { state }] of made.entries())
    for (const [t, row] of state.entries()) row[1] = (t + episode) % 20 === 0 ? size * (episode + 1) : 0;
};

describe('a dimension that mostly stands', () => {
  it('has no jumps and tells no speed', async () => {
    expect(await review((made) => nudged(made, 0.01))).toEqual([]);
  });

  it('hides no pause by its noise', async () => {
    const findings = await review((made) => {
      pause(made[3]!, 0, 15);
      nudged(made, 1e-6);
    });
    expect(findings).toMatchObject([{ id: 'idle', episode: 3, from: 0, to: 15 }]);
  });
});
