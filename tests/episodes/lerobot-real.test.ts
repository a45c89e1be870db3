import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/episodes/dataset.ts';
import { registerDecoders } from '../../tools/node/decoders.ts';
import {
  caseFiles,
  FRAME_LIMITS,
  frameDifferences,
  openFiles,
  REAL_SETS,
  realFiles,
  truthOf,
} from './real-sets.ts';

beforeAll(registerDecoders);

async function sha256(values: Float32Array): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new Uint8Array(Float32Array.from(values).buffer));
  return Buffer.from(hash).toString('hex');
}

describe.each(REAL_SETS)('%s, as lerobot wrote it', (set) => {
  it('has the numbers, times and tasks that lerobot reads', async () => {
    const dataset = await openFiles(await realFiles(set));
    const { episodes } = await truthOf(set);
    expect(dataset.episodes.map(({ index, length }) => [index, length])).toEqual(
      episodes.map(({ index, length }) => [index, length]),
    );
    for (const truth of episodes) {
      const episode = await dataset.open(truth.index);
      const size = truth.firstAction.length;
      expect([...episode.actions.subarray(0, size)]).toEqual(truth.firstAction.map(Math.fround));
      expect([...episode.state!.subarray(-truth.lastState.length)]).toEqual(truth.lastState.map(Math.fround));
      expect(await sha256(episode.actions)).toBe(truth.actionSha256);
      expect(await sha256(episode.state!)).toBe(truth.stateSha256);
      expect(episode.timestamps!.at(-1)).toBeCloseTo(truth.lastTimestamp, 6);
      const steps = truth.tasks.flatMap(({ task, steps: count }) => Array<string>(count).fill(task));
      expect(episode.instructions ?? Array<string>(episode.length).fill(episode.instruction)).toEqual(steps);
      expect(episode.notes).toEqual([]);
      const listed = dataset.episodes.find(({ index }) => index === truth.index)!;
      expect(listed.instruction).toBe(steps[0]);
      expect(listed.tasks ?? [steps[0]]).toEqual([...new Set(steps)]);
    }
  });

  it('has the frames that lerobot reads', async () => {
    for (const { worst, mean } of await frameDifferences(set)) {
      expect(worst).toBeLessThanOrEqual(FRAME_LIMITS[set].worst);
      expect(mean).toBeLessThanOrEqual(FRAME_LIMITS[set].mean);
    }
  });
});

describe('what was recorded', () => {
  it('is listed with what is no input of a policy, and read without it', async () => {
    const { reading, cameras, actionNames } = await openFiles(await realFiles('lerobot-v30-extra-features'));
    expect(actionNames.at(-1)).toBe('gripper.pos');
    expect(cameras.map(({ name }) => name)).toEqual(['observation.images.front', 'observation.images.wrist']);
    expect(reading!.features).toContainEqual({ name: 'observation.grid', dtype: 'float32', shape: [2, 3] });
    expect(reading!.features).toContainEqual({ name: 'note', dtype: 'string', shape: [1] });
    expect(reading!.mapping).toEqual({
      action: 'action',
      state: ['observation.state'],
      cameras: ['observation.images.front', 'observation.images.wrist'],
    });
  });

  it('may hold a depth map, which is not a camera', async () => {
    const files = await caseFiles('lerobot-v061-depth-images', 'v30');
    const dataset: Dataset = await openFiles(files);
    expect(dataset.cameras.map(({ name }) => name)).toEqual(['observation.images.front']);
    expect(dataset.reading!.features.map(({ name }) => name)).toContain('observation.images.front_depth');
  });
});

describe('a mapping by hand', () => {
  it('joins states in the order chosen', async () => {
    const files = await realFiles('lerobot-v30-extra-features');
    const dataset = await openFiles(files, {
      mapping: {
        action: 'observation.force',
        state: ['observation.environment_state', 'observation.state'],
        cameras: ['observation.images.wrist'],
      },
    });
    expect(dataset.stateNames).toEqual([
      'kx',
      'ky',
      'kz',
      'shoulder_pan.pos',
      'shoulder_lift.pos',
      'elbow_flex.pos',
      'wrist_flex.pos',
      'wrist_roll.pos',
      'gripper.pos',
    ]);
    const episode = await dataset.open(0);
    const usual = await (await openFiles(files)).open(0);
    expect([...episode.state!.subarray(9, 12)]).toEqual([1, 2, 1]);
    expect(episode.state!.subarray(12, 18)).toEqual(usual.state!.subarray(6, 12));
    expect([...episode.actions.subarray(6, 12)]).toEqual([0, 1, 2, 3, 4, 5]);
    await expect(episode.frame('observation.images.front', 0)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('is guessed for openpi’s names', async () => {
    const dataset = await openFiles(await caseFiles('openpi-keys', null));
    expect(dataset.reading!.mapping).toEqual({
      action: 'actions',
      state: ['state'],
      cameras: ['image', 'wrist_image'],
    });
    const episode = await dataset.open(1);
    expect([episode.length, episode.actions.length, episode.state!.length]).toEqual([12, 84, 96]);
    const { width, height } = await episode.frame('wrist_image', 3);
    expect([width, height]).toEqual([32, 32]);
  });

  it.each([
    ['is unknown', { action: 'motion', state: [], cameras: [] }, 'motion'],
    ['has two axes', { action: 'observation.grid', state: [], cameras: [] }, '[2, 3]'],
    ['holds text', { action: 'action', state: ['note'], cameras: [] }, 'string'],
    ['is not a camera', { action: 'action', state: [], cameras: ['action'] }, 'a camera'],
    ['is the row’s number', { action: 'index', state: [], cameras: [] }, 'index'],
    [
      'was chosen twice',
      { action: 'action', state: ['observation.state', 'observation.state'], cameras: [] },
      'twice',
    ],
  ])('is refused for a feature that %s', async (_, mapping, word) => {
    const files = await realFiles('lerobot-v30-extra-features');
    const error = await openFiles(files, { mapping }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining(word) });
  });
});
