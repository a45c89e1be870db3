import { describe, expect, it } from 'vitest';
import type { Dataset, Episode } from '../../../src/episodes/dataset.ts';
import { actionKinds } from '../../../src/episodes/quality/action-kinds.ts';
import { fieldsOf } from '../../../src/episodes/quality/columns.ts';
import { reviewDataset } from '../../../src/episodes/quality/review.ts';
import { ModelError } from '../../../src/base/errors.ts';
import { CHUNK, FPS, datasetOf, review, several, type Made } from './demonstrations.ts';

/** The dataset with episodes that are read otherwise. */
function changed(dataset: Dataset, change: (episode: Episode) => Episode): Dataset {
  return { ...dataset, open: async (index) => change(await dataset.open(index)) };
}

const about = (dataset: Dataset) => reviewDataset(dataset, { chunkSize: CHUNK });

/** Actions that are where the state shall be in the next step. */
function asTargets(made: Made[], scale = 1): void {
  for (const one of made) {
    one.actions = one.actions.map((action, t) => {
      const next = one.state[t + 1] ?? one.state[t]!;
      return [next[0]! / scale, next[1]! / scale, action[2]!];
    });
  }
}

async function kindsOf(made: readonly Made[]) {
  const dataset = datasetOf(made);
  const motions = await Promise.all(dataset.episodes.map(({ index }) => dataset.open(index)));
  return actionKinds(motions, fieldsOf(motions, dataset));
}

describe('damaged episodes and frames', () => {
  it('are findings, and the others are reviewed all the same', async () => {
    const dataset = datasetOf(several());
    const damaged: Dataset = {
      ...dataset,
      open: async (index) => {
        if (index === 3) throw new ModelError('bad-file', 'data/three.parquet is damaged.', 'Copy it again.');
        return dataset.open(index);
      },
    };
    expect(await about(damaged)).toMatchObject([
      { id: 'unreadable', episode: 3, message: expect.stringContaining('three.parquet') as string },
    ]);
  });

  it('are an error where nothing can be read', async () => {
    const none: Dataset = {
      ...datasetOf(several()),
      open: async () => {
        throw new ModelError('bad-file', 'gone');
      },
    };
    await expect(about(none)).rejects.toMatchObject({ code: 'bad-file', message: 'gone' });
  });

  it('are found at the end of a video that is a frame short, once per camera', async () => {
    const dataset = changed(datasetOf(several()), (episode) => ({
      ...episode,
      frame: async (camera, step) => {
        if (episode.index === 5 && camera === 'wrist' && step === episode.length - 1) {
          throw new ModelError('bad-file', 'wrist.mp4 ends before.', 'It is truncated.');
        }
        return episode.frame(camera, step);
      },
    }));
    const findings = await about(dataset);
    expect(findings).toMatchObject([{ id: 'unreadable-frames', episode: 5, camera: 'wrist', from: 59 }]);
  });

  it('do not hide what is no fault of the file', async () => {
    const dataset = changed(datasetOf(several()), (episode) => ({
      ...episode,
      frame: async () => {
        throw new TypeError('a fault of ours');
      },
    }));
    await expect(about(dataset)).rejects.toThrow(TypeError);
  });
});

const stamped = (at: (step: number) => number, episodes = [2]) =>
  changed(datasetOf(several()), (episode) => ({
    ...episode,
    timestamps: Float64Array.from({ length: episode.length }, (_, step) =>
      episodes.includes(episode.index) ? at(step) : step / FPS,
    ),
  }));

describe('time stamps', () => {
  it('that follow the rate are silent, rounding included', async () => {
    expect(await about(stamped((step) => Math.fround(step / FPS) + 1e-4))).toEqual([]);
  });

  it('with a dropped frame name the step', async () => {
    const findings = await about(stamped((step) => (step + Number(step >= 20)) / FPS));
    expect(findings).toMatchObject([{ id: 'timestamps', episode: 2, from: 20 }]);
  });

  it('of another rate are told with that rate', async () => {
    const findings = await about(stamped((step) => step / 15));
    expect(findings).toMatchObject([{ id: 'timestamps', episode: 2 }]);
    expect(findings[0]!.message).toContain('15.0 steps per second');
  });

  it('that are off in every episode alike are told once', async () => {
    const all = Array.from({ length: 12 }, (_, index) => index);
    const findings = await about(stamped((step) => step / 20, all));
    expect(findings).toMatchObject([
      {
        id: 'timestamps',
        episode: null,
        message: expect.stringMatching(/^In every episode, such as 0: .*20\.0/) as string,
      },
    ]);
  });

  it('that stand still or are not numbers are found, too', async () => {
    expect(await about(stamped(() => 0))).toMatchObject([{ id: 'timestamps' }]);
    expect(await about(stamped((step) => (step === 7 ? NaN : step / FPS)))).toMatchObject([
      { id: 'timestamps', from: 7 },
    ]);
  });
});

const noise = (seed: number) => Math.sin(12.9898 * seed ** 1.3) * 0.3;

describe('what actions mean', () => {
  it('is told from the state: differences', async () => {
    const kinds = await kindsOf(several());
    expect(kinds).toMatchObject([
      { action: 'x', state: 'x', kind: 'delta' },
      { action: 'y', state: 'y', kind: 'delta' },
    ]);
    for (const { slope } of kinds) expect(slope).toBeCloseTo(1, 3);
  });

  it('is told from the state: targets', async () => {
    const made = several();
    asTargets(made);
    const kinds = await kindsOf(made);
    expect(kinds.map(({ kind }) => kind)).toEqual(['absolute', 'absolute']);
    for (const { slope } of kinds) expect(slope).toBeCloseTo(1, 1);
  });

  it('in radians, with a state in degrees, is a warning about units', async () => {
    const findings = await review((made) => asTargets(made, 180 / Math.PI));
    expect(findings).toMatchObject([
      { id: 'units', episode: null, message: expect.stringContaining('radians') as string },
    ]);
  });

  it('against the state is a reversed sign', async () => {
    const findings = await review((made) => {
      for (const one of made) one.actions = one.actions.map(([x, y, grip]) => [-x!, y!, grip!]);
    });
    expect(findings).toMatchObject([
      { id: 'actions-and-state', message: expect.stringContaining('"x"') as string },
    ]);
  });

  it('is nothing where the state is of something else', async () => {
    const findings = await review((made) => {
      // Noise, as far as the state is concerned, but no idle one.
      for (const [i, one] of made.entries()) {
        one.actions = one.actions.map(([, , grip], t) => [
          noise(60 * i + t),
          noise(9000 + 60 * i + t),
          grip!,
        ]);
      }
    });
    expect(findings).toMatchObject([
      { id: 'actions-and-state', message: expect.stringContaining('does not follow') as string },
    ]);
  });
});

function swapFirst(made: Made[]): void {
  // Two views that differ: the wrist camera sees a brighter scene.
  for (const one of made) {
    one.frames['wrist'] = one.frames['wrist']!.map(({ width, height, data }) => ({
      width,
      height,
      data: data.map((value, i) => (i % 4 === 3 ? 255 : Math.min(255, value + 60))),
    }));
  }
  const { front, wrist } = made[0]!.frames;
  made[0]!.frames = { front: wrist!, wrist: front! };
}

describe('cameras and lengths', () => {
  it('that were swapped in one episode are found', async () => {
    expect(await review(swapFirst)).toMatchObject([{ id: 'swapped-cameras', episode: 0 }]);
  });

  it('an episode that breaks off in mid-motion is found', async () => {
    const findings = await review((made) => {
      const one = made[4]!;
      one.actions.length = 15;
      one.state.length = 15;
      for (const frames of Object.values(one.frames)) frames.length = 15;
    });
    expect(findings).toMatchObject([{ id: 'cut-short', episode: 4 }]);
  });
});
