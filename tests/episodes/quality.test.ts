import { describe, expect, it } from 'vitest';
import type { Dataset, FrameImage } from '../../src/episodes/dataset.ts';
import { editedDataset } from '../../src/episodes/edited-dataset.ts';
import { memoryDataset, type RecordedEpisode } from '../../src/episodes/memory-dataset.ts';
import {
  reviewDataset,
  reviewEpisode,
  type Finding,
  type ReviewOptions,
} from '../../src/episodes/quality.ts';

const FPS = 10;
const LENGTH = 60;
const CHUNK = 8;
const ACTIONS = ['x', 'y', 'gripper'];
const STATE = ['x', 'y', 'left finger'];
const CAMERAS = ['front', 'wrist'];
const SIZE = 32;

/** A block of 4 × 4 pixels at a place that follows the state. */
function picture(x: number, y: number): FrameImage {
  const data = new Uint8ClampedArray(4 * SIZE * SIZE).fill(60);
  const [left, top] = [x, y].map((value) => Math.round(((value + 2) / 4) * (SIZE - 4)));
  for (let row = 0; row < 4; row++) {
    const at = 4 * ((top! + row) * SIZE + left!);
    data.fill(200, at, at + 16);
  }
  return { width: SIZE, height: SIZE, data };
}

interface Made {
  actions: number[][];
  state: number[][];
  frames: Record<string, FrameImage[]>;
}

/** Smooth motion along a path of its own; actions are differences of the state; the gripper closes half way. */
function healthy(seed: number, length = LENGTH, speed = 1): Made {
  const path = (phase: number) => (step: number) =>
    Math.sin(0.13 * speed * step + phase) + 0.4 * Math.sin(0.29 * speed * step + 2 * phase);
  const [x, y] = [path(seed), path(1.7 * seed + 0.9)];
  const closed = (step: number) => Number(step >= length / 2);
  const steps = Array.from({ length }, (_, step) => step);
  const frames = () => steps.map((step) => picture(x(step), y(step)));
  return {
    actions: steps.map((t) => [x(t + 1) - x(t), y(t + 1) - y(t), closed(t)]),
    state: steps.map((t) => [x(t), y(t), 0.04 * (1 - closed(t - 2))]),
    frames: Object.fromEntries(CAMERAS.map((camera) => [camera, frames()])),
  };
}

/** From `from` the robot waits until `to` and goes on then; what comes too late for the episode's length is cut off. */
function pause(made: Made, from: number, to: number): void {
  const wait = <T>(list: T[], rest: T) => {
    list.splice(from, 0, ...Array.from({ length: to - from }, () => rest));
    list.length = LENGTH;
  };
  wait(made.actions, [0, 0, made.actions[from]![2]!]);
  wait(made.state, made.state[from]!);
  for (const frames of Object.values(made.frames)) wait(frames, frames[from]!);
}

function datasetOf(made: readonly Made[], about: { fps?: number; stateless?: boolean } = {}): Dataset {
  return memoryDataset({
    name: 'made',
    fps: about.fps ?? FPS,
    actionNames: ACTIONS,
    stateNames: about.stateless ? null : STATE,
    cameras: CAMERAS.map((name) => ({ name, width: SIZE, height: SIZE })),
    episodes: made.map(({ actions, state, frames }): RecordedEpisode => ({
      instruction: 'do it',
      actions: Float32Array.from(actions.flat()),
      state: about.stateless ? null : Float32Array.from(state.flat()),
      frames,
    })),
  });
}

const several = (count = 12): Made[] => Array.from({ length: count }, (_, seed) => healthy(seed));

/** Findings on twelve healthy episodes, one or all of which `spoil` changes. */
async function review(
  spoil: (made: Made[]) => void,
  options: Partial<ReviewOptions> = {},
  about: Parameters<typeof datasetOf>[1] = {},
): Promise<Finding[]> {
  const made = several();
  spoil(made);
  return reviewDataset(datasetOf(made, about), { chunkSize: CHUNK, ...options });
}

const nothing = () => undefined;
const range = (name: string, q01: number, q99: number) => ({ name, q01, q99 });
/** About what `healthy` makes. */
const POLICY = {
  actions: [range('x', -0.2, 0.2), range('y', -0.2, 0.2), range('gripper', 0, 1)],
  state: [range('x', -1.3, 1.3), range('y', -1.3, 1.3), range('left finger', 0, 0.04)],
};

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
    const spoil = (made: Made[]) => {
      pause(made[4]!, 45, LENGTH);
      for (let t = 20; t < 35; t++) made[5]!.actions[t] = [0.1, 0.1, 0];
    };
    expect(await review(spoil, {}, { stateless: true })).toMatchObject([
      { id: 'idle', episode: 4, from: 45, to: LENGTH },
    ]);
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
    expect(asked.size).toBe(8 * CAMERAS.length);
    expect(Math.max(...asked.values())).toBe(12);
  });
});

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

describe('mixed rates', () => {
  it('are found against the policy’s data', async () => {
    const findings = await review(nothing, { fps: 30 });
    expect(findings).toMatchObject([{ id: 'mixed-rates', episode: null }]);
    expect(findings[0]!.message).toMatch(/10 steps per second.*30/);
    expect(await review(nothing, { fps: 10.5 })).toEqual([]);
  });

  it('are found in an episode that moves far more or less per step', async () => {
    const findings = await review((made) => {
      made[2] = healthy(2, LENGTH, 0.15);
      made[5] = healthy(5, LENGTH, 2);
    });
    expect(findings.filter(({ id }) => id === 'mixed-rates')).toMatchObject([
      { severity: 'warning', episode: 2, message: expect.stringContaining('as little per step') },
    ]);
  });
});

describe('few and short episodes', () => {
  it('are counted', async () => {
    expect(await reviewDataset(datasetOf(several(9)), { chunkSize: CHUNK })).toMatchObject([
      {
        id: 'few-episodes',
        severity: 'warning',
        episode: null,
        message: expect.stringContaining('9 episodes'),
      },
    ]);
    expect(await reviewDataset(datasetOf(several(10)), { chunkSize: CHUNK })).toEqual([]);
    expect(await reviewDataset(datasetOf([]), { chunkSize: CHUNK })).toMatchObject([{ id: 'few-episodes' }]);
  });

  it('are named where they are shorter than a chunk', async () => {
    const findings = await review((made) => {
      made[6] = healthy(6, CHUNK - 1);
      made[7] = healthy(7, CHUNK);
    });
    expect(findings).toMatchObject([
      { id: 'too-short', severity: 'warning', episode: 6, message: expect.stringContaining('7 steps') },
    ]);
  });

  it('may have no step at all', async () => {
    const dataset = datasetOf([healthy(0, 0)]);
    const findings = await reviewDataset(dataset, { chunkSize: CHUNK, policy: POLICY });
    expect(findings.map(({ id }) => id)).toEqual(['few-episodes', 'too-short']);
    expect(await reviewEpisode(await dataset.open(0), dataset)).toEqual([]);
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

  it('are not compared where the numbers of dimensions differ', async () => {
    const policy = { actions: [range('x', 5, 6)], state: [range('x', 5, 6)] };
    expect(await review(nothing, { policy })).toEqual([]);
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

  it('is found by the episode alone', async () => {
    const made = healthy(1);
    made.state[30]![0]! += 8;
    const dataset = datasetOf([made]);
    const findings = await reviewEpisode(await dataset.open(0), dataset);
    expect(findings.map(({ id, dimension }) => [id, dimension])).toContainEqual(['jump', 'x']);
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
