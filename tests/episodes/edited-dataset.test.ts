import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dataset, FrameImage } from '../../src/episodes/dataset.ts';
import { editedDataset, toEdits, type EpisodeEdit } from '../../src/episodes/edited-dataset.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { ModelError } from '../../src/base/errors.ts';
import { fuzzRuns } from '../setup/fuzz.ts';

const ACTIONS = ['x', 'y', 'gripper'];
const STATE = ['x', 'y'];

function pixel(value: number): FrameImage {
  return { width: 1, height: 1, data: new Uint8ClampedArray([value, value, value, 255]) };
}

/** Episodes in which every value and pixel tells its episode and step. */
function dataset(lengths: readonly number[], stateNames: readonly string[] | null = STATE): Dataset {
  return memoryDataset({
    name: 'made',
    fps: 10,
    actionNames: ACTIONS,
    stateNames,
    cameras: [{ name: 'front', width: 1, height: 1 }],
    episodes: lengths.map((length, index) => ({
      instruction: `do ${index}`,
      actions: Float32Array.from({ length: length * ACTIONS.length }, (_, i) => 1000 * index + i),
      state: stateNames && Float32Array.from({ length: length * STATE.length }, (_, i) => -1000 * index - i),
      frames: { front: Array.from({ length }, (_, step) => pixel(20 * index + step)) },
    })),
  });
}

function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return null;
}

describe('an edited dataset', () => {
  it('leaves out what is deleted or shows no success, and keeps the other indices', async () => {
    const edited = editedDataset(dataset([5, 6, 7, 8]), { 0: { deleted: true }, 2: { success: false } });
    expect(edited.episodes.map(({ index, length }) => [index, length])).toEqual([
      [1, 6],
      [3, 8],
    ]);
    expect((await edited.open(3)).index).toBe(3);
    for (const index of [0, 2, 9])
      await expect(edited.open(index)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('may be empty', () => {
    expect(editedDataset(dataset([3]), { 0: { deleted: true } }).episodes).toEqual([]);
  });

  it('trims without copying, and says the new instruction', async () => {
    const original = dataset([6]);
    const edited = editedDataset(original, { 0: { keep: [2, 5], instruction: 'lift it', success: true } });
    expect(edited.episodes).toEqual([{ index: 0, length: 3, instruction: 'lift it' }]);
    const episode = await edited.open(0);
    const whole = await original.open(0);
    expect(episode).toMatchObject({ length: 3, instruction: 'lift it' });
    expect(episode.actions.buffer).toBe(whole.actions.buffer);
    expect(episode.state?.buffer).toBe(whole.state?.buffer);
    expect((await episode.frame('front', 0)).data[0]).toBe(2);
    for (const step of [-1, 3, 0.5])
      await expect(episode.frame('front', step)).rejects.toMatchObject({ code: 'bad-input' });
    expect((await editedDataset(dataset([4], null), { 0: { keep: [1, 2] } }).open(0)).state).toBeNull();
  });

  it('can be edited again, in its own steps', async () => {
    const once = editedDataset(dataset([9, 4]), {
      0: { keep: [2, 8], instruction: 'first' },
      1: { deleted: true },
    });
    const twice = editedDataset(once, { 0: { keep: [1, 3] } });
    expect(twice.episodes).toEqual([{ index: 0, length: 2, instruction: 'first' }]);
    const episode = await twice.open(0);
    expect([...episode.actions]).toEqual([9, 10, 11, 12, 13, 14]);
    expect((await episode.frame('front', 1)).data[0]).toBe(4);
    expect(failure(() => editedDataset(once, { 1: {} }))).toMatchObject({ code: 'bad-input' });
  });

  it('closes the original', async () => {
    const closed: string[] = [];
    const original = dataset([3]);
    const edited = editedDataset(
      {
        ...original,
        open: async (index) => ({ ...(await original.open(index)), close: () => closed.push('episode') }),
        close: async () => void closed.push('dataset'),
      },
      {},
    );
    (await edited.open(0)).close();
    await edited.close();
    expect(closed).toEqual(['episode', 'dataset']);
  });

  it('holds slices of the original, whatever is kept', async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });
    const cases = lengths.chain((all) =>
      fc.record({
        all: fc.constant(all),
        keeps: fc.tuple(
          ...all.map((length) =>
            fc
              .tuple(fc.nat(length - 1), fc.nat(length - 1))
              .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b) + 1]),
          ),
        ),
        deleted: fc.array(fc.boolean(), { minLength: all.length, maxLength: all.length }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ all, keeps, deleted }) => {
        const original = dataset(all);
        const edited = editedDataset(
          original,
          Object.fromEntries(keeps.map((keep, i) => [i, { keep, deleted: deleted[i]! }])),
        );
        expect(edited.episodes.map(({ index }) => index)).toEqual(
          all.flatMap((_, i) => (deleted[i] ? [] : [i])),
        );
        for (const { index, length } of edited.episodes) {
          const [from, to] = keeps[index]!;
          const [whole, episode] = [await original.open(index), await edited.open(index)];
          expect([length, episode.length]).toEqual([to - from, to - from]);
          expect(episode.actions).toEqual(whole.actions.slice(from * ACTIONS.length, to * ACTIONS.length));
          expect(episode.state).toEqual(whole.state!.slice(from * STATE.length, to * STATE.length));
          for (let step = 0; step < length; step++)
            expect(await episode.frame('front', step)).toBe(await whole.frame('front', from + step));
        }
      }),
      { numRuns: fuzzRuns(50) },
    );
  });
});

describe('an edit that does not fit', () => {
  const wrong: [string, Record<number, EpisodeEdit>, RegExp][] = [
    ['an unknown episode', { 7: { deleted: true } }, /episode 7.*2 episodes/],
    ['no step', { 0: { keep: [2, 2] } }, /steps 2 to 2.*0 to 5/],
    ['steps turned round', { 0: { keep: [3, 1] } }, /steps 3 to 1/],
    ['steps past the end', { 1: { keep: [0, 7] } }, /steps 0 to 7.*0 to 6/],
    ['steps before the start', { 0: { keep: [-1, 2] } }, /steps -1 to 2/],
    ['half a step', { 0: { keep: [0.5, 2] } }, /steps 0.5 to 2/],
    ['an empty instruction', { 0: { instruction: ' ' } }, /is empty/],
    ['a long instruction', { 0: { instruction: 'a'.repeat(301) } }, /301 characters/],
    ['a line break', { 0: { instruction: 'a\nb' } }, /control characters/],
  ];
  it.each(wrong)('%s', (_, edits, message) => {
    const error = failure(() => editedDataset(dataset([5, 6]), edits));
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringMatching(message) });
    expect((error as ModelError).hint).not.toBe('');
  });

  it('takes what is just within', () => {
    const edits = { 0: { keep: [0, 5] as const, instruction: 'ä'.repeat(300) } };
    expect(editedDataset(dataset([5]), edits).episodes[0]!.length).toBe(5);
  });
});

describe('stored edits', () => {
  it('come back from JSON', () => {
    const edits = { 0: { deleted: true }, 12: { keep: [1, 4], instruction: 'go', success: false } };
    expect(toEdits(JSON.parse(JSON.stringify(edits)))).toEqual(edits);
    expect(toEdits({})).toEqual({});
  });

  it.each([
    ['no object', null],
    ['a list', [{ deleted: true }]],
    ['a name for an index', { first: {} }],
    ['an index written otherwise', { '01': {} }],
    ['an unknown field', { 0: { removed: true } }],
    ['a word for a boolean', { 0: { deleted: 'yes' } }],
    ['three steps', { 0: { keep: [1, 2, 3] } }],
    ['a negative step', { 0: { keep: [-1, 2] } }],
    ['a number for words', { 0: { instruction: 3 } }],
  ])('refuses %s', (_, value) => {
    expect(failure(() => toEdits(value))).toMatchObject({ code: 'bad-input' });
  });
});
