import { describe, expect, it } from 'vitest';
import type { OpenOptions } from '../../src/episodes/reading.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { crc32c } from '../../src/episodes/rlds-tfrecord.ts';
import { datasetStatistics } from '../../src/episodes/statistics.ts';
import { decodeTensorFlowJpeg } from '../../src/episodes/tensorflow-jpeg.ts';
import { blobFolder, memoryFolder } from '../../src/io/blob-folder.ts';
import { float32, storedFiles, storedFolder, truthOf, type Truth } from './stored-fixture.ts';
import { example, tfdsFiles } from './tfds-writer.ts';

interface RldsTruth extends Truth {
  standardised: {
    episodes: { index: number; length: number; action: number[][] }[];
    statistics: Record<'action' | 'proprio', Record<string, number[]>>;
  };
}

const SHARD = 'libero_spatial_no_noops-train.tfrecord-00001-of-00002';

describe('a LIBERO set of OpenVLA', () => {
  it('is standardised as openvla-oft does it, unless told otherwise, to the bit', async () => {
    const truth = await truthOf<RldsTruth>('rlds');
    const dataset = await openDataset(await storedFolder('rlds'));
    expect(dataset.reading!.standardisation).toMatchObject({ name: 'libero', applied: true });
    expect(dataset.stateNames!.slice(-2)).toEqual(['left finger', 'right finger']);
    for (const { index, action } of truth.standardised.episodes) {
      const episode = await dataset.open(index);
      expect([...episode.actions]).toEqual(float32(action));
      expect([...episode.state!]).toEqual(float32(truth.episodes[index]!.state));
    }
  });

  it('has upstream’s statistics, to the bit', async () => {
    const { statistics } = (await truthOf<RldsTruth>('rlds')).standardised;
    const ours = await datasetStatistics(await openDataset(await storedFolder('rlds')));
    for (const field of ['action', 'proprio'] as const) {
      for (const [key, wanted] of Object.entries(statistics[field])) {
        const values = ours[field][key as 'mean'].map(Math.fround);
        expect(values, `${field} ${key}`).toEqual(wanted.map(Math.fround));
      }
    }
    expect(ours.num_transitions).toBe(92);
  });

  it('is found under its version, and the newest of several', async () => {
    const files = await storedFiles('rlds');
    const under = (root: string) =>
      [...files].map(([path, bytes]) => ({ path: root + path, file: new Blob([bytes]) }));
    const old = under('data/libero_x/0.9.0/').filter(({ path }) => path.endsWith('.json'));
    const folder = blobFolder('dropped', [...under('data/libero_x/0.10.0/'), ...old]);
    const dataset = await openDataset(folder);
    expect(dataset.name).toBe('libero_x');
    expect(dataset.episodes).toHaveLength(3);
    const two = blobFolder('dropped', [...under('a/1.0.0/'), ...under('b/1.0.0/')]);
    await expect(openDataset(two)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('reads only headers and small features to list its episodes', async () => {
    const files = await storedFiles('rlds');
    let read = 0;
    const folder = memoryFolder('rlds', files);
    const counted = {
      ...folder,
      open: async (path: string) => {
        const { blob: _, ...file } = await folder.open(path);
        return {
          ...file,
          slice: async (start: number, end: number) => {
            if (path.includes('tfrecord')) read += end - start;
            return file.slice(start, end);
          },
        };
      },
    };
    expect((await openDataset(counted)).episodes).toHaveLength(3);
    const total = [...files].reduce(
      (sum, [path, { length }]) => sum + (path.includes('tfrecord') ? length : 0),
      0,
    );
    // Pictures of 64 × 64 are hardly larger than the blocks.
    expect(read).toBeLessThan(total / 3);
  });
});

const change = async (file: string, edit: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) => {
  const files = await storedFiles('rlds');
  files.set(file, edit(files.get(file)!));
  return memoryFolder('x', files);
};

describe('a damaged RLDS set', () => {
  it('is refused for one wrong bit of any record', async () => {
    const folder = await change(SHARD, (bytes) => {
      bytes[90_000] = bytes[90_000]! ^ 4;
      return bytes;
    });
    const dataset = await openDataset(folder);
    await expect(dataset.open(2)).rejects.toThrow('checksum');
    // The others are in another file, and whole.
    await expect(dataset.open(0)).resolves.toMatchObject({ length: 30 });
  });

  it.each<[string, string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>, string]>([
    ['a truncated shard', SHARD, (bytes) => bytes.slice(0, -9), 'inside a record'],
    ['a wrong length', SHARD, (bytes) => bytes.fill(3, 2, 3), 'checksum'],
    ['a record too few', 'dataset_info.json', (b) => edited(b, '"1"', '"2"'), 'dataset_info.json says 2'],
    [
      'a path that leaves',
      'dataset_info.json',
      (b) => edited(b, '{DATASET}-{SPLIT}', '../{SPLIT}'),
      'leaves',
    ],
    ['another file format', 'dataset_info.json', (b) => edited(b, '"tfrecord"', '"riegeli"'), 'riegeli'],
    ['a false size', 'features.json', (b) => edited(b, '"7"', '"9"'), 'values of steps/action'],
    ['no steps', 'features.json', (b) => edited(b, '"steps"', '"frames"'), 'without steps'],
  ])('is refused: %s', async (_, file, edit, words) => {
    const all = async () => {
      const dataset = await openDataset(await change(file, edit), { standardise: false });
      for (const { index } of dataset.episodes) await dataset.open(index);
    };
    const error: unknown = await all().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'ModelError', message: expect.stringContaining(words) });
  });

  it('has the checksum of the standard', () => {
    // RFC 3720, B.4.
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });
});

function edited(bytes: Uint8Array, from: string, to: string): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(bytes);
  expect(text).toContain(from);
  return new TextEncoder().encode(text.replace(from, to));
}

/** Values by step and place. */
const rows = (steps: number, size: number, value: (step: number, i: number) => number) =>
  Array.from({ length: steps * size }, (_, k) => value(Math.floor(k / size), k % size));

const open = async (files: Map<string, Uint8Array<ArrayBuffer>>, options: OpenOptions = {}) =>
  openDataset(memoryFolder('dropped', files), options);

const vectors = (size: number) =>
  example({
    'steps/action': { floats: rows(2, size, (step, i) => step + i) },
    'steps/observation/state': { floats: rows(2, size, (step, i) => step - i) },
  });

const actions = (value: number) => example({ 'steps/action': { floats: rows(2, 7, () => value) } });

describe('standardisation by name', () => {
  it('of Bridge leaves the first and last step out, relabels the actions, and binarises the gripper', async () => {
    const gripper = [0, 0.5, 0.99, 0.5, 0.01, 0.4, 1];
    const files = tfdsFiles(
      'bridge_dataset',
      { action: 7, language_instruction: 'text', observation: { state: 7 } },
      {
        train: [
          [
            example({
              'steps/action': { floats: rows(7, 7, (step, i) => (i === 6 ? gripper[step]! : 100)) },
              'steps/observation/state': { floats: rows(7, 7, (step, i) => step * step + i) },
              'steps/language_instruction': { bytes: ['a', 'b', 'b', 'b', 'c', 'c', 'c'] },
            }),
          ],
        ],
      },
    );
    const dataset = await open(files);
    expect(dataset.reading!.standardisation).toMatchObject({ name: 'bridge_orig', applied: true });
    expect(dataset.fps).toBe(5);
    expect(dataset.episodes).toEqual([{ index: 0, length: 5, instruction: 'b', tasks: ['b', 'c'] }]);
    const episode = await dataset.open(0);
    expect(episode.instructions).toEqual(['b', 'b', 'b', 'c', 'c']);
    // (s + 1)² − s² of the poses from step 1 on; the gripper goes on as what comes next: 0.5 → 1, 0.5 → 0, 0.4 → 1.
    expect([...episode.actions]).toEqual(
      [3, 5, 7, 9, 11].flatMap((difference, i) => [
        ...Array<number>(6).fill(difference),
        [1, 1, 0, 0, 1][i]!,
      ]),
    );
    expect([...episode.state!]).toEqual(rows(5, 7, (step, i) => (step + 1) ** 2 + i));
    const stored = await open(files, { standardise: false });
    expect(stored.episodes[0]!.length).toBe(7);
    expect((await stored.open(0)).actions[6]).toBe(0);
  });

  it('of DROID takes the velocity and turns the gripper round', async () => {
    const files = tfdsFiles(
      'droid',
      {
        action: 7,
        action_dict: { cartesian_velocity: 6, gripper_position: 1 },
        observation: { cartesian_position: 6, gripper_position: 1 },
      },
      {
        train: [
          [
            example({
              'steps/action': { floats: rows(2, 7, () => 9) },
              'steps/action_dict/cartesian_velocity': { floats: rows(2, 6, (step, i) => step + i / 10) },
              'steps/action_dict/gripper_position': { floats: [0.25, 1] },
              'steps/observation/cartesian_position': { floats: rows(2, 6, (step) => -step) },
              'steps/observation/gripper_position': { floats: [0.5, 0.75] },
            }),
          ],
        ],
      },
    );
    const episode = await (await open(files)).open(0);
    expect([...episode.actions]).toEqual(
      [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 0].map(Math.fround),
    );
    expect([...episode.state!]).toEqual([-0, -0, -0, -0, -0, -0, 0.5, -1, -1, -1, -1, -1, -1, 0.75]);
  });

  it('of ALOHA changes nothing; a set of that name with other features is left alone', async () => {
    const aloha = await open(
      tfdsFiles('aloha1_fold', { action: 14, observation: { state: 14 } }, { train: [[vectors(14)]] }),
    );
    expect(aloha.reading!.standardisation).toMatchObject({ name: 'aloha', applied: true });
    expect(aloha.fps).toBe(25);
    expect((await aloha.open(0)).actions[13]).toBe(13);
    const other = await open(
      tfdsFiles('libero_x', { action: 3, observation: { state: 3 } }, { train: [[vectors(3)]] }),
    );
    expect(other.reading!.standardisation).toBeNull();
    expect(other.format).toContain('assumed');
  });

  it('takes the task of the whole episode where its steps have none', async () => {
    const record = example({
      'steps/action': { floats: rows(2, 7, () => 1) },
      language_instruction: { bytes: ['fold the towel'] },
    });
    const files = tfdsFiles('mine', { action: 7 }, { train: [[record]] });
    const features = JSON.parse(new TextDecoder().decode(files.get('features.json'))) as {
      featuresDict: { features: Record<string, object> };
    };
    features.featuresDict.features['language_instruction'] = { text: {} };
    files.set('features.json', new TextEncoder().encode(JSON.stringify(features)));
    expect((await open(files)).episodes).toEqual([{ index: 0, length: 2, instruction: 'fold the towel' }]);
  });

  it('reads every split, in order', async () => {
    const files = tfdsFiles(
      'mine',
      { action: 7 },
      { train: [[actions(1)], [actions(2)]], val: [[actions(3)]] },
    );
    const dataset = await open(files);
    expect(dataset.format).toContain('train 2, val 1');
    const first = await Promise.all([0, 1, 2].map(async (index) => (await dataset.open(index)).actions[0]));
    expect(first).toEqual([1, 2, 3]);
    expect(dataset.stateNames).toBeNull();
  });
});

describe('a JPEG that is not of the common kind', () => {
  it('is left to the host', () => {
    expect(decodeTensorFlowJpeg(Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 0]), 'x')).toBeNull();
    // A progressive frame.
    expect(decodeTensorFlowJpeg(Uint8Array.from([0xff, 0xd8, 0xff, 0xc2, 0, 4, 8, 0]), 'x')).toBeNull();
  });
});
