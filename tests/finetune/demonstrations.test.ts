import { describe, expect, it } from 'vitest';
import { memoryDataset, type RecordedEpisode } from '../../src/episodes/memory-dataset.ts';
import { DemonstrationSource, splitEpisodes } from '../../src/model/finetune/demonstrations.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import type { DatasetStatistics } from '../../src/model/policy/statistics.ts';
import { openCase } from '../setup/golden-policy.ts';

const { config } = await openCase('libero-l1');
const { chunkSize, actions } = config.profile;
const DIM = actions.length;
const STATE = config.profile.state!.length;

function frame(step: number, blue: number) {
  const data = new Uint8ClampedArray(4 * 70 * 60);
  for (let i = 0; i < data.length; i += 4) data.set([10 * step, (i / 4) % 251, blue, 255], i);
  return { width: 70, height: 60, data };
}

/** Actions that name their step; a frame whose red does. */
function episodeOf(length: number, instruction: string): RecordedEpisode {
  const steps = Array.from({ length }, (_, step) => step);
  return {
    instruction,
    actions: Float32Array.from(steps.flatMap((step) => Array.from({ length: DIM }, (_, i) => step + i / 10))),
    state: Float32Array.from(steps.flatMap((step) => Array.from({ length: STATE }, () => step))),
    frames: { front: steps.map((step) => frame(step, 50)), wrist: steps.map((step) => frame(step, 200)) },
  };
}

function datasetOf(...episodes: RecordedEpisode[]) {
  return memoryDataset({
    name: 'test',
    fps: 20,
    actionNames: actions.map(({ name }) => name),
    stateNames: Array.from({ length: STATE }, (_, i) => `s${i}`),
    cameras: ['front', 'wrist'].map((name) => ({ name, width: 70, height: 60 })),
    episodes,
  });
}

const field = (size: number, low: number, high: number) => ({
  mean: Array<number>(size).fill(0),
  std: Array<number>(size).fill(1),
  min: Array<number>(size).fill(low),
  max: Array<number>(size).fill(high),
  q01: Array<number>(size).fill(low),
  q99: Array<number>(size).fill(high),
});

/** Dimension 5 never changed; the last one is passed through. */
function statisticsOf(): DatasetStatistics {
  const action = field(DIM, 0, 10);
  action.min[5] = action.max[5] = 3;
  return {
    action: { ...action, mask: Array.from({ length: DIM }, (_, i) => i < DIM - 1) },
    proprio: field(STATE, 0, 4),
  };
}

function sourceOf(
  dataset: ReturnType<typeof datasetOf>,
  of: PolicyConfig = config,
  more: { weight?: (index: number) => number } = {},
) {
  return new DemonstrationSource(dataset, {
    ...more,
    config: of,
    // One token a word.
    tokenize: (prompt) => [1, ...prompt.split(' ').map((word) => 5 + word.length)],
    statistics: statisticsOf(),
    cameras: ['front', 'wrist'],
  });
}

describe('training samples of demonstrations', () => {
  it('are the steps with a whole chunk ahead, in every episode that has one', async () => {
    const dataset = datasetOf(
      episodeOf(chunkSize + 2, 'a'),
      episodeOf(chunkSize - 1, 'b'),
      episodeOf(chunkSize, 'c'),
    );
    const source = sourceOf(dataset);
    expect(source.count).toBe(3 + 0 + 1);
    const first = await source.sample(2, null);
    // Step 2 of the first episode: 2 · x / 10 − 1, clipped to ±1.
    expect(first.actions[0]).toBeCloseTo(-0.6, 6);
    expect(first.actions[(chunkSize - 1) * DIM]).toBeCloseTo(Math.min(1, (2 * (chunkSize + 1)) / 10 - 1), 6);
    const last = await source.sample(3, null);
    expect(last.actions[0]).toBeCloseTo(-1, 6);
    expect(last.actions).toHaveLength(chunkSize * DIM);
  });

  it('come up as often as their episode weighs', async () => {
    const dataset = datasetOf(episodeOf(chunkSize + 1, 'a'), episodeOf(chunkSize, 'bbb'));
    const source = sourceOf(dataset, config, { weight: (index) => (index === 0 ? 3 : 1) });
    expect(source.count).toBe(3 * 2 + 1);
    const [first, fourth, last] = [
      await source.sample(1, null),
      await source.sample(3, null),
      await source.sample(6, null),
    ];
    expect(fourth).toEqual(first);
    expect(last.promptIds).not.toEqual(first.promptIds);
  });

  it('have the task of their step, and room for the longest one', async () => {
    const dataset = datasetOf(episodeOf(chunkSize + 1, 'aa'));
    const tasks = ['aa', 'bbb ccc dddd'];
    const several = (listed: readonly string[]) => ({
      ...dataset,
      episodes: dataset.episodes.map((info) => ({ ...info, tasks: listed })),
      open: async (index: number) => ({
        ...(await dataset.open(index)),
        instructions: Array.from({ length: chunkSize + 1 }, (_, step) => tasks[step === 0 ? 0 : 1]!),
      }),
    });
    const source = sourceOf(several(tasks));
    const [first, second] = [await source.sample(0, null), await source.sample(1, null)];
    expect(second.promptIds).toHaveLength(first.promptIds.length + 2);
    expect(source.tokens).toBe(sourceOf(dataset).tokens + 2);
    // A list that is older than the rows.
    await expect(sourceOf(several(['aa'])).sample(1, null)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('are refused where a value is not a number', async () => {
    for (const part of ['actions', 'state'] as const) {
      const episode = episodeOf(chunkSize + 1, 'a');
      episode[part]![(chunkSize - 1) * (part === 'state' ? 0 : DIM)] = Number.NaN;
      const error = await sourceOf(datasetOf(episode))
        .sample(0, null)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('not a number') });
    }
  });

  it('have actions and state normalised as upstream does it', async () => {
    const { actions: chunk, proprio } = await sourceOf(datasetOf(episodeOf(chunkSize + 8, 'a'))).sample(
      6,
      null,
    );
    expect(chunk[5]).toBe(0);
    expect(chunk[DIM - 1]).toBeCloseTo(6 + (DIM - 1) / 10, 5);
    // 2 · 6 / 4 − 1 is beyond 1.
    expect([...proprio!]).toEqual(Array<number>(STATE).fill(1));
  });

  it('have each camera’s own picture, which augmentation changes by its number alone', async () => {
    const source = sourceOf(datasetOf(episodeOf(chunkSize, 'a')));
    const [plain, again] = [await source.sample(0, null), await source.sample(0, null)];
    expect(again.pixels).toEqual(plain.pixels);
    const half = plain.pixels.length / 2;
    expect(plain.pixels.slice(0, half)).not.toEqual(plain.pixels.slice(half));
    const augmented = await source.sample(0, [0.2, 0.7]);
    expect(augmented.pixels).not.toEqual(plain.pixels);
    expect((await source.sample(0, [0.2, 0.7])).pixels).toEqual(augmented.pixels);
    expect((await source.sample(0, [0.2, 0.1])).pixels.slice(0, half)).toEqual(
      augmented.pixels.slice(0, half),
    );
  });

  it('know the longest prompt, so that every batch has one length', async () => {
    const source = sourceOf(
      datasetOf(episodeOf(chunkSize, 'go'), episodeOf(chunkSize, 'go to the far corner')),
    );
    const longest = await source.sample(1, null);
    // Prompt, empty token, one token an action value, stop.
    expect(source.tokens).toBe(longest.promptIds.length + 1 + chunkSize * DIM + 1);
  });

  it('say what is missing where an episode has no state', async () => {
    const episode = { ...episodeOf(chunkSize, 'a'), state: null };
    await expect(sourceOf(datasetOf(episode)).sample(0, null)).rejects.toMatchObject({ code: 'bad-input' });
  });
});

const episodes = (count: number) => Array.from({ length: count }, (_, index) => ({ index }));

describe('the validation split', () => {
  it('takes the last share, at least one episode of three or more', () => {
    expect(splitEpisodes(episodes(20), 0.1)).toEqual({
      train: Array.from({ length: 18 }, (_, i) => i),
      validation: [18, 19],
    });
    expect(splitEpisodes(episodes(3), 0.1).validation).toEqual([2]);
  });

  it('leaves something to train on, and nothing out where none is asked for', () => {
    expect(splitEpisodes(episodes(2), 0.5)).toEqual({ train: [0, 1], validation: [] });
    expect(splitEpisodes(episodes(4), 0).train).toHaveLength(4);
  });
});
