import { tableFromIPC } from 'apache-arrow';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../../src/episodes/dataset.ts';
import { editedDataset } from '../../../src/episodes/edited-dataset.ts';
import { leRobotFiles } from '../../../src/episodes/lerobot-writer/files.ts';
import type { LeRobotVersion } from '../../../src/episodes/lerobot-writer/options.ts';
import { openLeRobot } from '../../../src/episodes/lerobot.ts';
import { readParquet } from '../../../src/episodes/parquet.ts';
import { memoryFolder } from '../../../src/io/blob-folder.ts';
import { frame, LENGTHS, madeDataset, TASKS, textOf, written } from './made.ts';

const VERSIONS: readonly LeRobotVersion[] = ['v2.1', 'v3.0'];
const IMAGES = { frames: 'images' } as const;
const DATA = {
  'v2.1': [0, 1, 2].map((episode) => `data/chunk-000/episode_00000${episode}.parquet`),
  'v3.0': ['data/chunk-000/file-000.parquet'],
};
const CAMERA = 'observation.images.main';

async function rowsOf(files: Map<string, Uint8Array<ArrayBuffer>>, paths: readonly string[]) {
  const folder = memoryFolder('copy', files);
  return (await Promise.all(paths.map((path) => readParquet(folder, path, null)))).flat();
}

describe.each(VERSIONS)('writing a LeRobot dataset %s', (version) => {
  it('is read back with the same numbers and words, to the bit', async () => {
    const dataset = madeDataset();
    const copy = await openLeRobot(memoryFolder('copy', await written(dataset, { version, ...IMAGES })));
    expect(copy.format).toBe(`LeRobot ${version}`);
    expect(copy.fps).toBe(10);
    expect(copy.actionNames).toEqual(['x', 'gripper']);
    expect(copy.stateNames).toEqual(['height']);
    expect(copy.cameras).toEqual([{ name: CAMERA, width: 4, height: 2 }]);
    expect(copy.episodes.map(({ index, length }) => [index, length])).toEqual([...LENGTHS.entries()]);
    for (const { index } of dataset.episodes) {
      const [ours, theirs] = [await dataset.open(index), await copy.open(index)];
      expect(theirs.actions).toEqual(ours.actions);
      expect(theirs.state).toEqual(ours.state);
    }
  });

  it('keeps every pixel, in PNGs of three channels', async () => {
    const files = await written(madeDataset(), { version, ...IMAGES });
    const rows = await rowsOf(files, DATA[version]);
    const shown = LENGTHS.flatMap((length, e) => Array.from({ length }, (_, i) => frame(10 * e + i)));
    expect(rows).toHaveLength(shown.length);
    rows.forEach((row, i) => {
      const { bytes } = row[CAMERA] as { bytes: Uint8Array };
      // Colour type 2: lerobot stacks images, and those of four channels do not fit its shape.
      expect(bytes[25]).toBe(2);
      expect([...PNG.sync.read(Buffer.from(bytes)).data]).toEqual([...shown[i]!.data]);
    });
  });

  it('numbers steps, and says the task of each', async () => {
    const files = await written(madeDataset(), { version, ...IMAGES });
    const rows = await rowsOf(files, DATA[version]);
    const column = (name: string) => rows.map((row) => Number(row[name]));
    expect(column('frame_index')).toEqual([0, 1, 2, 0, 1, 2, 3, 4, 0, 1]);
    expect(column('episode_index')).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 2, 2]);
    expect(column('index')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(column('timestamp')).toEqual([0, 1, 2, 0, 1, 2, 3, 4, 0, 1].map((step) => Math.fround(step / 10)));
    expect(column('task_index')).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 0, 0]);
  });

  it('tells the `datasets` library lengths of lists and which columns are images', async () => {
    const files = await written(madeDataset(), { version, ...IMAGES });
    const { buffer } = files.get(DATA[version][0]!)!;
    const metadata = parquetMetadata(buffer).key_value_metadata ?? [];
    const about = JSON.parse(metadata.find(({ key }) => key === 'huggingface')!.value!) as {
      info: { features: Record<string, unknown> };
    };
    expect(about.info.features).toEqual({
      action: {
        feature: { dtype: 'float32', _type: 'Value' },
        length: 2,
        // datasets 3 knows no List.
        _type: version === 'v2.1' ? 'Sequence' : 'List',
      },
      // lerobot makes a plain value of a vector of one.
      'observation.state': { dtype: 'float32', _type: 'Value' },
      [CAMERA]: { _type: 'Image' },
      timestamp: { dtype: 'float32', _type: 'Value' },
      frame_index: { dtype: 'int64', _type: 'Value' },
      episode_index: { dtype: 'int64', _type: 'Value' },
      index: { dtype: 'int64', _type: 'Value' },
      task_index: { dtype: 'int64', _type: 'Value' },
    });
  });

  it('says to Arrow that vectors have a fixed length', async () => {
    const files = await written(madeDataset(), { version, ...IMAGES });
    const { buffer } = files.get(DATA[version][0]!)!;
    const metadata = parquetMetadata(buffer).key_value_metadata ?? [];
    const text = metadata.find(({ key }) => key === 'ARROW:schema')!.value!;
    const { schema } = tableFromIPC(Buffer.from(text, 'base64'));
    // pyarrow takes the metadata from here.
    expect(schema.metadata.get('huggingface')).toBe(metadata.find(({ key }) => key === 'huggingface')!.value);
    expect(schema.fields.map(({ name, type }) => `${name}: ${String(type)}`)).toEqual([
      'action: FixedSizeList[2]<Float32>',
      'observation.state: Float32',
      `${CAMERA}: Struct<{bytes:Binary, path:Utf8}>`,
      'timestamp: Float32',
      ...['frame_index', 'episode_index', 'index', 'task_index'].map((name) => `${name}: Int64`),
    ]);
  });

  it('writes statistics as floats, of which Python makes float arrays', async () => {
    const files = await written(madeDataset(), { version, ...IMAGES });
    const path = version === 'v2.1' ? 'meta/episodes_stats.jsonl' : 'meta/stats.json';
    const text = textOf(files, path).replaceAll(/"(count|episode_index)": \[?\d+\]?/g, '');
    const numbers = text.match(/(?<=[[ ])-?\d[^\],]*/g) ?? [];
    expect(numbers.length).toBeGreaterThan(50);
    expect(numbers.filter((number) => !/[.e]/.test(number))).toEqual([]);
  });

  it('holds what editing left, with the edits applied', async () => {
    const dataset = editedDataset(madeDataset(), {
      0: { deleted: true },
      1: { keep: [1, 4] },
      2: { instruction: 'new words' },
    });
    const files = await written(dataset, { version, ...IMAGES });
    const copy = await openLeRobot(memoryFolder('copy', files));
    expect(copy.episodes.map(({ length }) => length)).toEqual([3, 2]);
    expect((await copy.open(0)).actions).toEqual((await madeDataset().open(1)).actions.slice(2, 8));
    const tasks = (await rowsOf(files, DATA[version].slice(0, 2))).map((row) => Number(row['task_index']));
    expect(tasks).toEqual([0, 0, 1, 2, 2]);
  });

  it('says what is left out: other features, uneven times', async () => {
    const made = madeDataset();
    const dataset: Dataset = {
      ...made,
      reading: {
        features: ['action', 'next.reward', 'main'].map((name) => ({ name, dtype: 'float32', shape: [1] })),
        mapping: { action: 'action', state: [], cameras: ['main'] },
        standardisation: null,
        turned: 0,
      },
      open: async (index) => {
        const episode = await made.open(index);
        const timestamps = Float64Array.from(
          { length: episode.length },
          (_, i) => 5 + i / 10 + (i === 2 ? 0.004 : 0),
        );
        return { ...episode, timestamps };
      },
    };
    const notes: string[] = [];
    await written(dataset, { version, ...IMAGES, onNote: (note) => notes.push(note) });
    expect(notes).toEqual([
      expect.stringContaining('not "next.reward"'),
      expect.stringContaining('up to 4.0 ms off'),
    ]);
  });

  it('gives files while later episodes are still unread, and stops when it is cancelled', async () => {
    const made = madeDataset();
    const opened: number[] = [];
    let closed = 0;
    const dataset: Dataset = {
      ...made,
      open: async (index) => {
        opened.push(index);
        return { ...(await made.open(index)), close: () => closed++ };
      },
    };
    const stop = new AbortController();
    const files = leRobotFiles(dataset, { version, ...IMAGES, signal: stop.signal });
    const first = await files.next();
    expect(first.value?.path).toBe(DATA[version][0]);
    expect(opened).toEqual([0]);
    stop.abort();
    await expect(
      (async () => {
        for await (const _ of first.value!.chunks());
        await files.next();
      })(),
    ).rejects.toMatchObject({ code: 'cancelled' });
    expect(closed).toBe(opened.length);
  });

  it('refuses a dataset with nothing in it', async () => {
    const empty = editedDataset(madeDataset(), {
      0: { deleted: true },
      1: { deleted: true },
      2: { deleted: true },
    });
    await expect(written(empty, { version, ...IMAGES })).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('refuses cameras that would be one feature, and frames of another size', async () => {
    const made = madeDataset();
    const twice = { ...made, cameras: [...made.cameras, { name: CAMERA, width: 4, height: 2 }] };
    await expect(written(twice, { version, ...IMAGES })).rejects.toMatchObject({ code: 'bad-input' });
    const wrong = { ...made, cameras: [{ name: 'main', width: 8, height: 2 }] };
    await expect(written(wrong, { version, ...IMAGES })).rejects.toMatchObject({ code: 'bad-file' });
  });
});

describe('what only one version has', () => {
  it('v2.1: says the description last, tasks and episodes line by line', async () => {
    const files = await written(madeDataset(), { version: 'v2.1', ...IMAGES });
    expect([...files.keys()].at(-1)).toBe('meta/info.json');
    expect(JSON.parse(textOf(files, 'meta/info.json'))).toMatchObject({
      codebase_version: 'v2.1',
      total_episodes: 3,
      total_frames: 10,
      total_tasks: 3,
      total_videos: 0,
      splits: { train: '0:3' },
    });
    const episodes = textOf(files, 'meta/episodes.jsonl').trim().split('\n');
    expect(JSON.parse(episodes[1]!)).toEqual({
      episode_index: 1,
      tasks: [TASKS[1], 'put it back'],
      length: 5,
    });
    const stats = textOf(files, 'meta/episodes_stats.jsonl').trim().split('\n');
    expect(JSON.parse(stats[2]!)).toMatchObject({
      episode_index: 2,
      stats: {
        'observation.state': { min: [Math.fround(-1 / 3)], max: [0], count: [2] },
        [CAMERA]: { min: [[[20 / 255]], [[21 / 255]], [[22 / 255]]], count: [2] },
      },
    });
  });

  it('v3.0: tasks are the index of a pandas table, in the order of their numbers', async () => {
    const files = await written(madeDataset(), { version: 'v3.0', ...IMAGES });
    expect([...files.keys()].at(-1)).toBe('meta/info.json');
    const { buffer } = files.get('meta/tasks.parquet')!;
    const pandas = parquetMetadata(buffer).key_value_metadata?.find(({ key }) => key === 'pandas');
    expect(JSON.parse(pandas!.value!)).toMatchObject({ index_columns: ['task'] });
    const tasks = await rowsOf(files, ['meta/tasks.parquet']);
    expect(tasks.map((row) => Number(row['task_index']))).toEqual([0, 1, 2]);
  });

  it('v3.0: cuts files and chunks by the limits, and says where each episode is', async () => {
    const limits = { dataMb: 1e-6, videoMb: 1e-6, chunkFiles: 2 };
    const dataset = madeDataset();
    const files = await written(dataset, { version: 'v3.0', ...IMAGES, limits });
    expect([...files.keys()].filter((path) => path.startsWith('data/'))).toEqual([
      'data/chunk-000/file-000.parquet',
      'data/chunk-000/file-001.parquet',
      'data/chunk-001/file-000.parquet',
    ]);
    const copy = await openLeRobot(memoryFolder('copy', files));
    for (const { index } of dataset.episodes)
      expect((await copy.open(index)).actions).toEqual((await dataset.open(index)).actions);
    const { buffer } = files.get('meta/episodes/chunk-000/file-000.parquet')!;
    const [, , row] = await parquetReadObjects({ file: buffer });
    expect(row).toMatchObject({
      episode_index: 2n,
      tasks: [TASKS[2]],
      'data/chunk_index': 1n,
      'data/file_index': 0n,
      dataset_from_index: 8n,
      dataset_to_index: 10n,
      'stats/action/count': [2n],
      [`stats/${CAMERA}/min`]: [[[20 / 255]], [[21 / 255]], [[22 / 255]]],
    });
    expect(Object.keys(row!)).toEqual(expect.arrayContaining([`stats/${CAMERA}/q50`, 'stats/action/q99']));
  });
});
