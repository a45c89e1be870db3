import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { openLeRobot } from '../../src/episodes/lerobot.ts';
import { writeLeRobot } from '../../src/episodes/lerobot-writer.ts';
import { memoryDataset } from '../../src/episodes/memory-dataset.ts';
import { readParquet } from '../../src/episodes/parquet.ts';

const LENGTHS = [3, 5];

function frame(value: number) {
  return {
    width: 4,
    height: 2,
    data: new Uint8ClampedArray(32).map((_, i) => (i % 4 === 3 ? 255 : value + i)),
  };
}

const dataset = memoryDataset({
  name: 'recorded',
  fps: 10,
  actionNames: ['x', 'gripper'],
  stateNames: ['height'],
  cameras: [{ name: 'main', width: 4, height: 2 }],
  episodes: LENGTHS.map((length, e) => ({
    instruction: e === 0 ? 'lift it' : 'say "no", then ünicode',
    actions: Float32Array.from({ length: 2 * length }, (_, i) => e + i / 8),
    state: Float32Array.from({ length }, (_, i) => -i / 4),
    frames: { main: Array.from({ length }, (_, i) => frame(10 * e + i)) },
  })),
});

async function written(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  await writeLeRobot(dataset, {
    robotType: 'test',
    encodeImage: async ({ width, height, data }) => {
      const png = new PNG({ width, height });
      png.data.set(data);
      return PNG.sync.write(png);
    },
    write: async (path, bytes) => void files.set(path, new Uint8Array(bytes)),
  });
  return files;
}

describe('writing a LeRobot dataset', () => {
  it('is read back with the same numbers and words', async () => {
    const source = memoryFolder('copy', await written());
    const copy = await openLeRobot(source);
    expect(copy.format).toBe('LeRobot v2.1');
    expect(copy.fps).toBe(10);
    expect(copy.actionNames).toEqual(['x', 'gripper']);
    expect(copy.stateNames).toEqual(['height']);
    expect(copy.cameras).toEqual([{ name: 'observation.images.main', width: 4, height: 2 }]);
    expect(copy.episodes).toEqual(dataset.episodes);
    for (const { index } of dataset.episodes) {
      const [ours, theirs] = [await dataset.open(index), await copy.open(index)];
      expect(theirs.actions).toEqual(ours.actions);
      expect(theirs.state).toEqual(ours.state);
    }
  });

  it('keeps every pixel', async () => {
    const source = memoryFolder('copy', await written());
    const path = 'data/chunk-000/episode_000001.parquet';
    const rows = await readParquet(source, path, [
      'observation.images.main',
      'frame_index',
      'index',
      'timestamp',
    ]);
    expect(rows.map((row) => Number(row['frame_index']))).toEqual([0, 1, 2, 3, 4]);
    expect(rows.map((row) => Number(row['index']))).toEqual([3, 4, 5, 6, 7]);
    const image = rows[2]!['observation.images.main'] as { bytes: Uint8Array };
    expect([...PNG.sync.read(Buffer.from(image.bytes)).data]).toEqual([...frame(12).data]);
  });

  it('says what LeRobot needs to load it, the description last', async () => {
    const files = await written();
    expect([...files.keys()].at(-1)).toBe('meta/info.json');
    const text = (path: string) => new TextDecoder().decode(files.get(path));
    const info = JSON.parse(text('meta/info.json')) as Record<string, unknown>;
    expect(info).toMatchObject({
      codebase_version: 'v2.1',
      total_episodes: 2,
      total_frames: 8,
      total_tasks: 2,
    });
    const stats = text('meta/episodes_stats.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as never);
    expect(stats[1]).toMatchObject({
      episode_index: 1,
      stats: { 'observation.state': { min: [-1], max: [0], mean: [-0.5], count: [5] } },
    });
  });
});
