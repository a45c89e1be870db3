import { describe, expect, it } from 'vitest';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { actionKinds } from '../../src/episodes/quality/action-kinds.ts';
import { fieldsOf } from '../../src/episodes/quality/columns.ts';
import { fieldStatistics } from '../../src/episodes/statistics.ts';
import { guessProfile, suggestedChunk, suggestedHz } from '../../src/robot/guess-profile.ts';
import { guessUnit } from '../../src/robot/guess-unit.ts';
import { asPython, upstreamConstants } from '../../src/model/policy/upstream-constants.ts';

const SO101 = ['shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper'].map(
  (name) => `${name}.pos`,
);

/** An arm that follows its targets. */
async function guessed(about: {
  names: string[];
  fps: number;
  scale: number;
  cameras: string[];
  length?: number;
  delta?: boolean;
}) {
  const { names, fps, scale, cameras, length = 120, delta = false } = about;
  const at = (t: number, i: number) => scale * Math.sin(0.05 * t + i) * (1 - i / 20);
  const steps = Array.from({ length }, (_, t) => t);
  const dataset = memoryDataset({
    name: 'my arm',
    fps,
    actionNames: names,
    stateNames: names,
    cameras: cameras.map((name) => ({ name, width: 64, height: 48 })),
    episodes: [
      {
        instruction: 'do it',
        actions: Float32Array.from(
          steps.flatMap((t) => names.map((_, i) => at(t + 1, i) - (delta ? at(t, i) : 0))),
        ),
        state: Float32Array.from(steps.flatMap((t) => names.map((_, i) => at(t, i)))),
        frames: {},
      },
    ],
  });
  const motions = [await dataset.open(0)];
  const statistics = {
    action: fieldStatistics(
      motions.map(({ actions }) => actions),
      names.length,
    ),
    proprio: fieldStatistics(
      motions.map(({ state }) => state!),
      names.length,
    ),
  };
  return guessProfile(dataset, statistics, actionKinds(motions, fieldsOf(motions, dataset)));
}

describe('a profile guessed from demonstrations', () => {
  it('of an SO-101: joint targets in degrees, which may be per cent of the range', async () => {
    const cameras = ['observation.images.wrist', 'observation.images.front'];
    const {
      profile,
      actions,
      cameras: order,
      thinnedAs,
    } = await guessed({ names: SO101, fps: 30, scale: 60, cameras });
    expect(profile).toMatchObject({
      name: 'my arm',
      chunkSize: 24,
      controlHz: 30,
      normalization: 'bounds',
      images: [
        { name: 'primary', label: 'Front' },
        { name: 'wrist', label: 'Wrist' },
      ],
    });
    expect(order).toEqual(['observation.images.front', 'observation.images.wrist']);
    expect(actions.slice(0, 5).map(({ kind, unit, certain }) => [kind, unit, certain])).toEqual(
      Array.from({ length: 5 }, () => ['absolute', 'deg', false]),
    );
    expect(actions[0]!.choices).toContain('−100…100');
    expect(thinnedAs).toEqual(Array.from({ length: 6 }, () => 'last'));
  });

  it('of an end effector moved by differences', async () => {
    const names = ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'];
    const { profile, actions, thinnedAs } = await guessed({
      names,
      fps: 10,
      scale: 0.4,
      cameras: ['image'],
      delta: true,
    });
    expect(profile).toMatchObject({ chunkSize: 8, normalization: 'bounds_q99' });
    expect(actions.map(({ kind }) => kind)).toEqual([...Array.from({ length: 6 }, () => 'delta'), 'unclear']);
    expect(actions[0]!.unit).toBe('m');
    expect(thinnedAs).toEqual(['sum', 'sum', 'sum', 'sum', 'sum', 'sum', 'last']);
  });

  it('thins what is too fast, and keeps chunks within episodes and sequences', () => {
    expect(suggestedHz(50)).toBe(25);
    expect(suggestedHz(120)).toBe(30);
    expect(suggestedHz(30)).toBe(30);
    expect(suggestedChunk(25, 14, 1000)).toBe(20);
    expect(suggestedChunk(30, 64, 1000)).toBe(16);
    expect(suggestedChunk(30, 6, 5)).toBe(5);
    expect(suggestedChunk(2, 6, 100)).toBe(4);
  });

  it('has at most three cameras, wrists among them', async () => {
    const { cameras } = await guessed({
      names: SO101,
      fps: 30,
      scale: 60,
      cameras: ['a', 'b', 'c', 'left_wrist', 'right_wrist'],
    });
    expect(cameras).toEqual(['a', 'left_wrist', 'right_wrist']);
  });

  it('is refused without a camera', async () => {
    await expect(guessed({ names: SO101, fps: 30, scale: 60, cameras: [] })).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('no camera') as string,
    });
  });
});

describe('what actions are', () => {
  it('is not told by one of many that looks like a difference', () => {
    const names = ['a', 'b', 'c', 'd'];
    const dataset = memoryDataset({
      name: 'noise',
      fps: 30,
      actionNames: names,
      stateNames: names,
      cameras: [{ name: 'front', width: 8, height: 8 }],
      episodes: [
        {
          instruction: '',
          actions: new Float32Array(400),
          state: new Float32Array(400),
          frames: { front: [] },
        },
      ],
    });
    const field = fieldStatistics([Float32Array.from({ length: 400 }, (_, i) => 40 * Math.sin(i))], 4);
    const kind = (i: number, what: 'delta' | 'absolute' | 'unclear') => ({
      action: names[i]!,
      state: names[i]!,
      kind: what,
      correlation: { absolute: 0, delta: 0 },
      slope: 1,
    });
    const guess = (...kinds: Parameters<typeof guessProfile>[2]) =>
      guessProfile(dataset, { action: field, proprio: field }, kinds);
    const chance = guess(kind(0, 'delta'), kind(1, 'unclear'), kind(2, 'unclear'), kind(3, 'unclear'));
    expect(chance.actions[0]!.kind).toBe('unclear');
    expect(chance.thinnedAs).toEqual(['last', 'last', 'last', 'last']);
    expect(chance.profile.normalization).toBe('bounds');
    // Wheels beside joints.
    const mixed = guess(kind(0, 'delta'), kind(1, 'absolute'), kind(2, 'unclear'), kind(3, 'unclear'));
    expect(mixed.thinnedAs).toEqual(['sum', 'last', 'last', 'last']);
  });
});

describe('units', () => {
  it.each([
    ['elbow_flex.pos', { min: -170, max: 20 }, 'deg', true],
    ['elbow_flex.pos', { min: -1.7, max: 1.2 }, 'rad', true],
    ['elbow_flex.pos', { min: -99, max: 98 }, 'deg', false],
    ['x', { min: 0.1, max: 0.6 }, 'm', true],
    ['x', { min: 100, max: 600 }, 'mm', true],
    ['yaw', { min: -3.1, max: 3.1 }, 'rad', true],
    ['joint_deg', { min: 0, max: 1 }, 'deg', true],
    ['gripper', { min: -1, max: 1 }, 'open–close', true],
    ['left finger', { min: 0, max: 0.04 }, 'm', false],
    ['gripper.pos', { min: 0, max: 99 }, 'open–close', false],
  ])('%s in %o is %s (certain: %s)', (name, range, unit, certain) => {
    expect(guessUnit(name, range, 'absolute')).toMatchObject({ unit, certain });
  });
});

describe("upstream's constants", () => {
  it('are written for constants.py', async () => {
    const { profile } = await guessed({ names: SO101, fps: 30, scale: 60, cameras: ['front'] });
    expect(upstreamConstants(profile)).toEqual({
      NUM_ACTIONS_CHUNK: 24,
      ACTION_DIM: 6,
      PROPRIO_DIM: 6,
      ACTION_PROPRIO_NORMALIZATION_TYPE: 'bounds',
    });
    expect(asPython(profile)).toContain('MY_ARM_CONSTANTS = {\n    "NUM_ACTIONS_CHUNK": 24,');
  });
});
