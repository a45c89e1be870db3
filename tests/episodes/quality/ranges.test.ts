import { describe, expect, it } from 'vitest';
import { POLICY, nothing, range, review, type Made } from './demonstrations.ts';

const clip = (made: Made[]) => {
  for (const { actions } of made)
    for (const action of actions) action[0] = Math.min(0.0625, Math.max(-0.0625, action[0]!));
};

describe('clipped', () => {
  it('is found for a continuous dimension, and not for the gripper', async () => {
    const findings = await review(clip);
    expect(findings).toMatchObject([{ id: 'clipped', severity: 'warning', episode: null, dimension: 'x' }]);
    expect(findings[0]!.message).toContain('-0.0625 or 0.0625');
  });

  it('is a note where the policy’s own data ends there', async () => {
    const actions = [range('x', -0.0625, 0.0625), ...POLICY.actions.slice(1)];
    const findings = await review(clip, { policy: { ...POLICY, actions } });
    expect(findings).toMatchObject([{ id: 'clipped', severity: 'note' }]);
  });

  it('is told of the end that is touched', async () => {
    const findings = await review((made) => {
      for (const { actions } of made) for (const action of actions) action[0] = Math.min(0.0625, action[0]!);
    });
    expect(findings).toMatchObject([{ id: 'clipped', message: expect.stringContaining('(0.0625)') }]);
  });

  it('is not rest at 0', async () => {
    const findings = await review((made) => {
      for (const { actions } of made) for (const action of actions) action[0] = Math.max(0, action[0]!);
    });
    expect(findings).toEqual([]);
  });
});

const still = (made: Made[]) => {
  for (const { actions, state } of made) {
    for (const action of actions) action[1] = 0;
    for (const row of state) row[1] = 0.5;
  }
};

describe('constant', () => {
  it('is found in actions and state', async () => {
    const found = { id: 'constant', severity: 'warning', episode: null, dimension: 'y' };
    expect(await review(still)).toMatchObject([
      { ...found, message: '"y" of the action is always 0.' },
      { ...found, message: '"y" of the state is always 0.5.' },
    ]);
  });

  it('is a note where the policy’s own data is, and not looked for in a state that it does not take', async () => {
    const actions = [POLICY.actions[0]!, range('y', 0, 0), POLICY.actions[2]!];
    const findings = await review(still, { policy: { actions, state: null } });
    expect(findings).toMatchObject([{ id: 'constant', severity: 'note', dimension: 'y' }]);
  });
});

describe('statistics', () => {
  it('are compared with the policy’s: other units, other conventions', async () => {
    const findings = await review(
      (made) => {
        for (const { actions } of made) for (const action of actions) action[1]! *= 1000;
        for (const { state } of made) for (const row of state) row[0]! /= 1000;
      },
      { policy: POLICY },
    );
    expect(findings).toMatchObject([
      { id: 'statistics', dimension: 'y', message: expect.stringMatching(/action.*far outside/) },
      { id: 'statistics', dimension: 'x', message: expect.stringMatching(/state.*small part/) },
    ]);
  });

  it('are not compared where neither moves: a range of 1e-9 has no units', async () => {
    const policy = {
      actions: [POLICY.actions[0]!, range('y', -1e-9, 1e-9), POLICY.actions[2]!],
      state: null,
    };
    const findings = await review(
      (made) => {
        for (const { actions } of made)
          actions.forEach((action, step) => (action[1] = 1e-7 * Math.sin(step)));
      },
      { policy },
    );
    expect(findings.filter(({ id }) => id === 'statistics')).toEqual([]);
  });

  it('are not compared where the numbers of dimensions differ', async () => {
    const policy = { actions: [range('x', 5, 6)], state: [range('x', 5, 6)] };
    expect(await review(nothing, { policy })).toEqual([]);
  });
});
