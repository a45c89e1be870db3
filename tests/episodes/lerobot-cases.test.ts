import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/episodes/dataset.ts';
import { openLeRobot } from '../../src/episodes/lerobot.ts';
import { contradictions } from '../../src/episodes/quality/contradictions.ts';
import { turned } from '../../src/episodes/yuv.ts';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { registerDecoders } from '../../tools/node/decoders.ts';
import { fixtureFiles } from './fixture-source.ts';
import { caseFiles, difference, openFiles, realFiles, type Files } from './real-sets.ts';

const FRONT = 'observation.images.front';

beforeAll(registerDecoders);

/** A video's colours come back a few levels off. */
const near = (value: number): unknown => expect.closeTo(value, -0.9);

function edit(files: Files, path: string, change: (text: string) => string): void {
  files.set(path, new TextEncoder().encode(change(new TextDecoder().decode(files.get(path)))));
}

const tableOf = (episode: number) => `data/chunk-000/episode_00000${episode}.parquet`;

async function withInfo(change: (text: string) => string): Promise<Dataset> {
  const files = await fixtureFiles('v21');
  edit(files, 'meta/info.json', change);
  return openFiles(files);
}

describe('rows', () => {
  it('with nulls are NaN, which nothing is trained on, and not 0', async () => {
    const episode = await (await openFiles(await caseFiles('null-actions', 'v21'))).open(2);
    const steps = Array.from({ length: episode.length }, (_, step) => step);
    const unknown = steps.filter((step) => Number.isNaN(episode.actions[7 * step]));
    expect(unknown).toEqual([3, 4, 5]);
    expect(episode.actions.subarray(21, 42).every(Number.isNaN)).toBe(true);
    expect(episode.actions[20]).toBe(-1);
  });

  it('are found by their episode where the description starts late', async () => {
    const damaged = await openFiles(await caseFiles('v30-first-episode-missing-in-meta', 'v30'));
    const whole = await openFiles(await fixtureFiles('v30'));
    expect(damaged.episodes.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
    for (const { index } of damaged.episodes) {
      expect((await damaged.open(index)).actions).toEqual((await whole.open(index)).actions);
    }
  });

  it('are found in another file than the description names, and that is said', async () => {
    const files = await caseFiles('v30-stale-file-index', 'v30');
    files.delete('data/chunk-000/file-001.parquet');
    const [damaged, whole] = [await openFiles(files), await openFiles(await fixtureFiles('v30'))];
    for (const { index } of whole.episodes) {
      const episode = await damaged.open(index);
      expect(episode.actions).toEqual((await whole.open(index)).actions);
      expect(episode.notes).toHaveLength(index < 3 ? 0 : 1);
    }
  });

  it('are not guessed where two files have them', async () => {
    const files = await caseFiles('v30-stale-file-index', 'v30');
    const rest = files.get('data/chunk-000/file-001.parquet')!;
    files.delete('data/chunk-000/file-001.parquet');
    files.set('data/chunk-000/file-007.parquet', rest);
    const dataset = await openFiles(files);
    await expect(dataset.open(4)).rejects.toThrow(/file-000.parquet and in .*file-007.parquet/);
    expect((await dataset.open(0)).length).toBe(14);
  });

  it('of another episode are never taken', async () => {
    const v21 = await fixtureFiles('v21');
    // Episodes 1 and 5 have as many steps.
    v21.set(tableOf(1), v21.get(tableOf(5))!);
    await expect((await openFiles(v21)).open(1)).rejects.toThrow('episode_index says 5');
    const v30 = await fixtureFiles('v30');
    v30.delete('data/chunk-000/file-001.parquet');
    await expect((await openFiles(v30)).open(5)).rejects.toThrow('No table has rows of episode 5');
  });
});

describe('tasks', () => {
  it('that are null are no instruction, and those of the rows count', async () => {
    const dataset = await openFiles(await caseFiles('tasks-null-and-two', 'v21'));
    expect(dataset.episodes.map(({ instruction }) => instruction)).toEqual([
      '',
      '',
      'push the red block to the left',
      'push the red block to the right',
      'push the red block to the left',
      'push the red block to the right',
    ]);
    const [none, other] = [await dataset.open(0), await dataset.open(3)];
    expect([none.instruction, none.instructions]).toEqual(['', null]);
    expect(none.notes).toEqual([expect.stringContaining('says that it has no task')]);
    expect(other.instruction).toBe('push the red block to the right');
    expect(other.notes).toEqual([expect.stringContaining('open the drawer')]);
    expect(contradictions(other)).toMatchObject([{ id: 'contradiction', episode: 3, severity: 'warning' }]);
  });

  it('are those of the description where there is no table of them', async () => {
    const files = await fixtureFiles('v21');
    files.delete('meta/tasks.jsonl');
    const dataset = await openFiles(files);
    expect((await dataset.open(1)).instruction).toBe('push the red block to the right');
  });

  it('are not made up for an index that the table lacks', async () => {
    const files = await fixtureFiles('v21');
    edit(files, 'meta/tasks.jsonl', (text) => text.split('\n')[0]!);
    await expect((await openFiles(files)).open(1)).rejects.toThrow('has the task 1');
    edit(files, 'meta/tasks.jsonl', (text) => `${text}\n${text.replace('left', 'top')}`);
    await expect(openFiles(files)).rejects.toThrow('two things for the task 0');
  });

  it('change inside an episode, and keep their order', async () => {
    const dataset = await openFiles(await realFiles('lerobot-v30-two-tasks-in-episode'));
    const { tasks } = dataset.episodes[0]!;
    expect(tasks).toEqual(['Pick up the red cube', 'Push the plate to the left']);
    const { instructions } = await dataset.open(0);
    expect([instructions![14], instructions![15]]).toEqual(tasks);
  });
});

describe('a video', () => {
  it('that starts late has no frame before, and the right one after', async () => {
    const dataset = await openFiles(await caseFiles('video-starts-late', 'v21'));
    const episode = await dataset.open(0);
    for (const step of [0, 4]) {
      await expect(episode.frame(FRONT, step)).rejects.toMatchObject({
        code: 'bad-file',
        message: expect.stringContaining('starts at 0.500 s'),
      });
    }
    // Red grows by 12 a frame. Step 5 is at 0.5 s, where the first frame is shown.
    const red = async (step: number) => (await episode.frame(FRONT, step)).data[0]!;
    expect([await red(5), await red(8), await red(13)]).toEqual([39, 74, 134].map(near));
  });

  it('that is a frame short lacks that frame alone', async () => {
    const dataset = await openFiles(await caseFiles('video-one-frame-short', 'v21'));
    const episode = await dataset.open(3);
    await expect(episode.frame(FRONT, 11)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('ends at'),
    });
    expect((await episode.frame(FRONT, 10)).data[0]).toEqual(near(160));
    expect((await episode.frame('observation.images.wrist', 9)).width).toBe(64);
  });

  it('has a frame for each step where only the clock ran at another rate', async () => {
    const files = await caseFiles('video-one-frame-short', 'v21');
    const episode = await (await openFiles(files)).open(3);
    expect(episode.timestamps![3]).toBeCloseTo(0.15, 6);
    expect((await episode.frame(FRONT, 3)).data[0]).toEqual(near(76));
  });

  it('that was recorded with the camera on its side is shown upright', async () => {
    const files = await realFiles('lerobot-v30-chunks');
    const path = `videos/${FRONT}/chunk-000/file-000.mp4`;
    const upright = await (await (await openFiles(files)).open(0)).frame(FRONT, 3);
    const video = files.get(path)!.slice();
    const matrix = 44 + Buffer.from(video.buffer).indexOf('tkhd');
    // 16.16 fixed point: a quarter turn clockwise.
    for (const [at, value] of [0, 65536, 0, -65536, 0].entries()) {
      new DataView(video.buffer).setInt32(matrix + 4 * at, value);
    }
    files.set(path, video);
    const shown = await (await (await openFiles(files)).open(0)).frame(FRONT, 3);
    expect([shown.width, shown.height]).toEqual([96, 128]);
    expect(difference(shown, turned(upright, 90, false))).toEqual({ worst: 0, mean: 0 });
  });

  it('with other episodes after it never shows theirs', async () => {
    const files = await realFiles('lerobot-v30-chunks');
    edit(files, 'meta/info.json', (text) => text.replace('"fps": 30', '"fps": 15'));
    // At half the rate, time stamps still say where a frame is.
    const episode = await (await openFiles(files)).open(1);
    expect((await episode.frame(FRONT, 32)).width).toBe(128);
  });
});

describe('a damaged description', () => {
  it('does not stall on a shape of 1e9', async () => {
    const opened = withInfo((text) => text.replace(/"shape": \[\s*7\s*\]/, '"shape": [1000000000]'));
    await expect(opened).rejects.toMatchObject({ code: 'bad-file' });
  });

  it.each([
    ['names without a list', (text: string) => text.replace(/"names": \[\s*"x"[^\]]*\]/, '"names": 7')],
    ['null in names', (text: string) => text.replace(/"names": \[\s*"x"/, '"names": [null')],
    ['names of a camera that are numbers', (text: string) => text.replaceAll('"height"', '3')],
  ])('is read in spite of %s', async (_, change) => {
    const dataset = await withInfo(change);
    expect(dataset.actionNames).toHaveLength(7);
    expect(dataset.cameras).toHaveLength(2);
  });

  it('is refused where two episodes have one index', async () => {
    const files = await fixtureFiles('v21');
    edit(files, 'meta/episodes.jsonl', (text) => text.replace('"episode_index": 1', '"episode_index": 0'));
    await expect(openFiles(files)).rejects.toThrow('two episodes with the index 0');
  });

  it.each([
    ['null', 'null'],
    ['a number', '7'],
    ['a list', '[1]'],
    ['a length of null', '{"episode_index": 0, "tasks": [], "length": null}'],
    ['an index in words', '{"episode_index": "first", "tasks": [], "length": 3}'],
  ])('is refused with its line where an episode is %s', async (_, line) => {
    const files = await fixtureFiles('v21');
    edit(files, 'meta/episodes.jsonl', () => line);
    await expect(openFiles(files)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('meta/episodes.jsonl'),
    });
  });
});

it('a rejected read of a table leaves nothing unhandled', async () => {
  const files = await fixtureFiles('images');
  const path = 'data/chunk-000/episode_000000.parquet';
  const whole = files.get(path)!;
  const broken = whole.slice();
  broken.fill(0xff, 100, 900);
  files.set(path, broken);
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', listen);
  const dataset = await openLeRobot(memoryFolder('x', files));
  await expect(dataset.open(0)).rejects.toMatchObject({ code: 'bad-file' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', listen);
  expect(unhandled).toEqual([]);
});
