import { describe, expect, it } from 'vitest';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { checkFit, type Wanted } from '../../src/episodes/fit.ts';
import { openLeRobot } from '../../src/episodes/lerobot.ts';
import { datasetStatistics } from '../../src/episodes/statistics.ts';
import { loadJson } from '../setup/fixture.ts';
import { fixtureFiles, fixtureSource, FIXTURES } from './fixture-source.ts';

interface Expected {
  action: Record<string, number[]>;
  proprio: Record<string, number[]>;
  lengths: number[];
  tasks: string[];
  actions0: number[];
  state5: number[];
}
const expected = await loadJson<Expected>('tests/episodes/fixtures/expected.json');

const LIBERO: Wanted = {
  actions: ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'].map((name) => ({ name })),
  state: Array.from({ length: 8 }, (_, i) => ({ name: `s${i}` })),
  controlHz: 20,
  chunkSize: 8,
  images: [
    { name: 'primary', label: 'Main camera' },
    { name: 'wrist', label: 'Wrist camera' },
  ],
};

describe.each(FIXTURES)('LeRobot dataset %s', (name) => {
  it('tells what it holds', async () => {
    const dataset = await openLeRobot(await fixtureSource(name));
    expect(dataset.format).toBe(name === 'v30' ? 'LeRobot v3.0' : 'LeRobot v2.1');
    expect(dataset.fps).toBe(20);
    expect(dataset.actionNames).toEqual(['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper']);
    expect(dataset.stateNames?.slice(-2)).toEqual(['left finger', 'right finger']);
    expect(dataset.cameras).toEqual([
      { name: 'observation.images.front', width: 64, height: 64 },
      { name: 'observation.images.wrist', width: 64, height: 64 },
    ]);
    expect(dataset.episodes.map(({ length }) => length)).toEqual(expected.lengths);
    expect(dataset.episodes.map(({ instruction }) => instruction)).toEqual(
      expected.lengths.map((_, i) => expected.tasks[i % 2]),
    );
  });

  it('gives each episode its own rows', async () => {
    const dataset = await openLeRobot(await fixtureSource(name));
    expect([...(await dataset.open(0)).actions]).toEqual(expected.actions0.map(Math.fround));
    expect([...(await dataset.open(5)).state!]).toEqual(expected.state5.map(Math.fround));
    await expect(dataset.open(6)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('has NumPy’s statistics', async () => {
    const dataset = await openLeRobot(await fixtureSource(name));
    const progress: number[] = [];
    const statistics = await datasetStatistics(dataset, { onProgress: (done) => progress.push(done) });
    expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
    expect(statistics.num_transitions).toBe(82);
    expect(statistics.num_trajectories).toBe(6);
    expect(statistics.action.mask).toEqual(Array(7).fill(true));
    for (const field of ['action', 'proprio'] as const) {
      for (const [key, values] of Object.entries(expected[field])) {
        const ours = statistics[field][key as 'mean'];
        const worst = Math.max(...values.map((value, i) => Math.abs(value - ours[i]!)));
        // make.py takes them in float64; ours are those of float32 rows, as upstream's (rlds.test.ts compares to the bit).
        expect(worst, `${field} ${key}`).toBeLessThan(5e-7);
      }
    }
  });

  it('fits the policy it was made for', async () => {
    const dataset = await openLeRobot(await fixtureSource(name));
    const numbers = await datasetStatistics(dataset);
    expect(checkFit(dataset, LIBERO, numbers)).toEqual({
      problems: [],
      warnings: [],
      cameras: ['observation.images.front', 'observation.images.wrist'],
    });
  });

  it('says in Node that frames need decoders', async () => {
    const episode = await (await openLeRobot(await fixtureSource(name))).open(0);
    await expect(episode.frame('observation.images.front', 0)).rejects.toMatchObject({ code: 'unsupported' });
    await expect(episode.frame('observation.images.front', 14)).rejects.toMatchObject({ code: 'bad-input' });
    await expect(episode.frame('left eye', 0)).rejects.toMatchObject({ code: 'bad-input' });
  });
});

describe('a dataset that does not fit', () => {
  it('is refused with what was found and what is needed', async () => {
    const dataset = await openLeRobot(await fixtureSource('v21'));
    const numbers = await datasetStatistics(dataset);
    const wanted: Wanted = {
      actions: LIBERO.actions.slice(0, 3),
      state: null,
      controlHz: 5,
      chunkSize: 25,
      images: [...LIBERO.images, { name: 'left', label: 'Left camera' }],
    };
    const { problems } = checkFit(dataset, wanted, numbers);
    expect(problems.map(({ id }) => id)).toEqual(['actions', 'rate', 'cameras', 'short']);
    for (const { found, needed, hint } of problems) {
      expect(Math.min(found.length, needed.length, hint.length)).toBeGreaterThan(3);
    }
    expect(checkFit({ ...dataset, stateNames: null }, LIBERO, numbers).problems).toMatchObject([
      { id: 'state', found: 'no state' },
    ]);
  });

  it('is refused where a value is no number', async () => {
    const dataset = await openLeRobot(await fixtureSource('v21'));
    const numbers = await datasetStatistics({
      ...dataset,
      open: async (index) => {
        const episode = await dataset.open(index);
        const actions = episode.actions.slice();
        if (index === 2) actions[7 * 3 + 1] = Number.NaN;
        return { ...episode, actions };
      },
    });
    expect(checkFit(dataset, LIBERO, numbers).problems).toMatchObject([
      { id: 'not-finite', found: expect.stringContaining(`"${dataset.actionNames[1]}" of the action`) },
    ]);
  });

  it('gets warnings for what will not teach much', async () => {
    const dataset = await openLeRobot(await fixtureSource('v21'));
    const few = {
      ...dataset,
      episodes: [
        { index: 0, length: 20, instruction: '' },
        { index: 1, length: 7, instruction: 'x' },
      ],
    };
    const zeros = Array<number>(8).fill(0);
    const numbers = {
      action: { mean: zeros, min: zeros, max: [1, 1, 1, 1, 1, 1, 0] },
      proprio: { mean: zeros },
    };
    const { problems, warnings } = checkFit(few, LIBERO, numbers);
    expect(problems).toEqual([]);
    expect(warnings.map(({ id }) => id)).toEqual(['short', 'episodes', 'constant', 'instructions']);
    const shorter = { ...few, episodes: [{ index: 0, length: 9, instruction: 'x' }] };
    expect(checkFit(shorter, { ...LIBERO, chunkSize: 9 }, numbers).warnings).toContainEqual({
      id: 'samples',
      found: '1 training sample in 9 steps',
      needed: 'episodes several times as long as a chunk of 9 actions',
      hint: 'Choose a shorter chunk, where it can be chosen, or record longer episodes.',
    });
    // Of nine steps, two are followed by a whole chunk of eight actions.
    const enough = checkFit(shorter, LIBERO, numbers).warnings;
    expect(enough.map(({ id }) => id)).not.toContain('samples');
  });
});

async function change(path: string, edit: (text: string) => string) {
  const files = await fixtureFiles('v21');
  files.set(path, new TextEncoder().encode(edit(new TextDecoder().decode(files.get(path)))));
  return openLeRobot(memoryFolder('changed', files));
}

describe('a damaged or foreign dataset', () => {
  it.each([
    ['another version', 'meta/info.json', (t: string) => t.replace('v2.1', 'v1.6'), 'unsupported', 'v1.6'],
    ['no JSON', 'meta/info.json', (t: string) => t.slice(0, 40), 'bad-file', 'info.json'],
    ['no action', 'meta/info.json', (t: string) => t.replace('"action"', '"motion"'), 'bad-file', 'motion'],
    [
      'a path out of the folder',
      'meta/info.json',
      (t: string) => t.replace('data/chunk', '../../chunk'),
      'bad-file',
      'leaves',
    ],
    [
      'a strange path field',
      'meta/info.json',
      (t: string) => t.replace('{episode_index:06d}.parquet', '{home}.parquet'),
      'bad-file',
      'home',
    ],
    ['a broken line', 'meta/episodes.jsonl', (t: string) => t.replace('}', ''), 'bad-file', 'line 1'],
    ['a wrong length', 'meta/episodes.jsonl', (t: string) => t.replace('14', '-3'), 'bad-file', 'length'],
  ])('is refused: %s', async (_, path, edit, code, word) => {
    const error = await change(path, edit).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toContain(word);
  });

  it('is refused where a table is truncated, missing, or has other rows than it should', async () => {
    const path = 'data/chunk-000/episode_000002.parquet';
    const files = await fixtureFiles('v21');
    const bytes = files.get(path)!;
    files.set(path, bytes.slice(0, bytes.byteLength - 100));
    await expect((await openLeRobot(memoryFolder('x', files))).open(2)).rejects.toMatchObject({
      code: 'bad-file',
    });
    files.delete(path);
    await expect((await openLeRobot(memoryFolder('x', files))).open(2)).rejects.toThrow('no file');
    const other = await change('meta/episodes.jsonl', (text) => text.replace('16', '17'));
    await expect(other.open(2)).rejects.toThrow('17');
  });
});
