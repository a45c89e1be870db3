import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/episodes/quality/finding.ts';
import { reviewDataset } from '../../../src/episodes/quality/review.ts';
import {
  CHUNK,
  LENGTH,
  POLICY,
  datasetOf,
  healthy,
  pause,
  review,
  several,
  type Made,
} from './demonstrations.ts';

/** Enough of the values to stand in the quantiles of all episodes. */
function lose(made: Made[], field: 'actions' | 'state', column: number, value = NaN): void {
  for (const episode of made) for (const row of episode[field].slice(30, 40)) row[column] = value;
}

const others = (findings: Finding[]) => findings.filter(({ id }) => id !== 'not-finite');

describe('values that are not finite', () => {
  it('are found by episode and field, with dimensions, values and the first step', async () => {
    const findings = await review((made) => {
      made[3]!.actions[50]![0] = NaN;
      made[3]!.state[40]![1] = Infinity;
      made[3]!.state[42]![0] = NaN;
      made[7]!.state[59]![2] = -Infinity;
    });
    expect(findings).toMatchObject([
      { id: 'not-finite', severity: 'warning', episode: 3, from: 50, to: 51 },
      { id: 'not-finite', severity: 'warning', episode: 3, from: 40, to: 43 },
      { id: 'not-finite', severity: 'warning', episode: 7, from: 59, to: LENGTH },
    ]);
    expect(findings.map(({ message }) => message)).toEqual([
      '"x" of the action is NaN, which nothing can be learnt from, in 1 of 60 steps, first at step 50.',
      '"x", "y" of the state are Infinity or NaN, which nothing can be learnt from, in 2 of 60 steps, first at step 40.',
      '"left finger" of the state is -Infinity, which nothing can be learnt from, in 1 of 60 steps, first at step 59.',
    ]);
  });

  it.each([
    { at: [40, 45], does: 'keep the steps before 40' },
    { at: [0, 5], does: 'keep the steps from 6' },
    { at: [0, LENGTH - 1], does: 'Leave the episode out.' },
  ])('say what to do about steps $at', async ({ at, does }) => {
    const [found] = await review((made) => {
      for (const step of at) made[0]!.actions[step]![0] = NaN;
    });
    expect(found!.hint).toContain('eave the episode out');
    expect(found!.hint).toContain(does);
  });

  it('are found without a state', async () => {
    const made = several(10);
    made[0]!.actions[30]![1] = NaN;
    const dataset = datasetOf(made, { stateless: true });
    expect(await reviewDataset(dataset, { chunkSize: CHUNK })).toMatchObject([
      { id: 'not-finite', episode: 0, from: 30, to: 31 },
    ]);
  });

  it('are found in a state that the policy does not take: its statistics are kept all the same', async () => {
    const findings = await review((made) => lose(made.slice(0, 1), 'state', 0), {
      policy: { ...POLICY, state: null },
    });
    expect(findings).toMatchObject([{ id: 'not-finite', episode: 0 }]);
  });
});

describe.each([NaN, Infinity, -Infinity])('where values are %d, the rest of the review', (value) => {
  it('finds nothing wrong with what is healthy', async () => {
    const findings = await review(
      (made) => {
        lose(made, 'actions', 0, value);
        lose(made, 'state', 1, value);
      },
      { policy: POLICY },
    );
    expect(others(findings)).toEqual([]);
    expect(findings).toHaveLength(2 * several().length);
  });

  it.each([0, 1])('finds that x is clipped, with dimension %i spoilt', async (column) => {
    const findings = await review((made) => {
      lose(made, 'actions', column, value);
      for (const { actions } of made) for (const action of actions) action[0] = Math.min(0.0625, action[0]!);
    });
    expect(others(findings)).toMatchObject([{ id: 'clipped', dimension: 'x' }]);
    expect(others(findings)[0]!.message).toContain('(0.0625)');
  });

  it('finds what is constant and what is in other units', async () => {
    const findings = await review(
      (made) => {
        for (const { actions, state } of made) {
          for (const action of actions) action[1] = 0.5;
          for (const row of state) row[0]! *= 1000;
        }
        lose(made, 'actions', 1, value);
        lose(made, 'state', 0, value);
      },
      { policy: POLICY },
    );
    expect(others(findings)).toMatchObject([
      { id: 'constant', dimension: 'y', message: '"y" of the action is always 0.5.' },
      { id: 'statistics', dimension: 'x' },
    ]);
  });

  it('finds idle stretches, jumps and frozen cameras', async () => {
    const findings = await review((made) => {
      pause(made[3]!, 0, 15);
      made[4]!.state[20]![1]! += 8;
      const { wrist } = made[0]!.frames;
      wrist!.fill(wrist![20]!, 20);
      lose(made, 'state', 0, value);
      made[3]!.state[7]![0] = value;
    });
    expect(others(findings)).toMatchObject([
      { id: 'idle', episode: 3, from: 0, to: 15 },
      { id: 'jump', episode: 4, dimension: 'y' },
      { id: 'frozen-camera', episode: 0, camera: 'wrist' },
    ]);
  });

  it('finds a jump where most values are lost', async () => {
    const findings = await review((made) => {
      for (const { state } of made) for (const row of state.slice(20)) row[0] = value;
      made[4]!.state[10]![0]! += 8;
    });
    expect(others(findings)).toMatchObject([{ id: 'jump', episode: 4, dimension: 'x' }]);
  });

  it('finds an episode of another speed, and takes none with few numbers for slow', async () => {
    const findings = await review((made) => {
      made[2] = healthy(2, LENGTH, 0.15);
      lose(made, 'state', 0, value);
      for (const row of made[5]!.state.slice(4)) row[0] = value;
    });
    expect(others(findings)).toMatchObject([{ id: 'mixed-rates', episode: 2 }]);
  });
});

describe('where nothing is known', () => {
  it('a dimension gives no other finding', async () => {
    const findings = await review(
      (made) => {
        for (const { actions, state } of made) for (const row of [...actions, ...state]) row[0] = NaN;
      },
      { policy: POLICY },
    );
    expect(others(findings)).toEqual([]);
  });

  it('dimensions behind it are compared with their own ranges', async () => {
    const actions = [POLICY.actions[0]!, { name: 'y', q01: -200, q99: 200 }, POLICY.actions[2]!];
    const findings = await review(
      (made) => {
        for (const episode of made) for (const action of episode.actions) action[0] = NaN;
      },
      { policy: { ...POLICY, actions } },
    );
    expect(others(findings)).toMatchObject([{ id: 'statistics', dimension: 'y' }]);
  });

  it('of the state, the actions tell rest and motion, as without a state', async () => {
    const findings = await review((made) => {
      pause(made[4]!, 45, LENGTH);
      const { wrist } = made[0]!.frames;
      wrist!.fill(wrist![20]!, 20);
      for (const { state } of made) for (const row of state) row.fill(NaN);
    });
    expect(others(findings)).toMatchObject([
      { id: 'idle', episode: 4, from: 45, to: LENGTH },
      { id: 'frozen-camera', episode: 0, camera: 'wrist' },
    ]);
  });

  it('a robot is said neither to rest nor to move', async () => {
    const findings = await review((made) => {
      const { actions, state, frames } = made[0]!;
      for (const row of [...actions.slice(20, 50), ...state.slice(20, 50)]) row.fill(NaN);
      frames['front']!.fill(frames['front']![20]!, 20, 50);
    });
    expect(findings.map(({ id }) => id)).toEqual(['not-finite', 'not-finite']);
  });

  it('a dataset without one number is reviewed', async () => {
    const made = several();
    for (const { actions, state } of made) for (const row of [...actions, ...state]) row.fill(NaN);
    const findings = await reviewDataset(datasetOf(made), { chunkSize: CHUNK, policy: POLICY });
    expect(new Set(findings.map(({ id }) => id))).toEqual(new Set(['not-finite']));
  });
});
