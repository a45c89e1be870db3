import { beforeAll, expect, it } from 'vitest';
import { memoryDataset } from '../../../src/episodes/memory-dataset.ts';
import { openLeRobot } from '../../../src/episodes/lerobot.ts';
import { memoryFolder } from '../../../src/io/blob-folder.ts';
import { registerDecoders } from '../../../tools/node/decoders.ts';
import { madeDataset, written } from './made.ts';

beforeAll(registerDecoders);

const SIZE = { width: 32, height: 16 };

const plain = (value: number) => {
  const data = new Uint8ClampedArray(4 * SIZE.width * SIZE.height).map((_, i) =>
    i % 4 === 3 ? 255 : i % 4 === 0 ? value : i % 4 === 1 ? 255 - value : 60,
  );
  return { ...SIZE, data };
};

/** Rates that are not whole numbers of a time scale, and episodes that share a file. */
const dataset = memoryDataset({
  name: 'recorded',
  fps: 12.5,
  actionNames: ['x'],
  stateNames: null,
  cameras: [{ name: 'main', ...SIZE }],
  episodes: [9, 5].map((length, episode) => ({
    instruction: '',
    actions: new Float32Array(length),
    state: null,
    frames: { main: Array.from({ length }, (_, step) => plain(20 * step + 10 * episode)) },
  })),
});

it.each(['avc', 'av1'] as const)('%s: the frame of each step is its own, in its colours', async (codec) => {
  const files = await written(dataset, { version: 'v3.0', frames: 'video', codec });
  expect([...files.keys()].filter((path) => path.endsWith('.mp4'))).toEqual([
    'videos/observation.images.main/chunk-000/file-000.mp4',
  ]);
  const copy = await openLeRobot(memoryFolder('copy', files));
  for (const { index, length } of dataset.episodes) {
    const episode = await copy.open(index);
    for (let step = 0; step < length; step++) {
      const { data } = await episode.frame('observation.images.main', step);
      const expected = plain(20 * step + 10 * index).data;
      const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
      expect(worst, `episode ${index} step ${step}`).toBeLessThanOrEqual(4);
    }
  }
  await copy.close();
});

it('images are read back with the task of each step, pixel for pixel', async () => {
  const made = madeDataset();
  const copy = await openLeRobot(
    memoryFolder('copy', await written(made, { version: 'v2.1', frames: 'images' })),
  );
  const [ours, theirs] = [await made.open(1), await copy.open(1)];
  expect(theirs.instructions).toEqual(ours.instructions);
  expect(await theirs.frame('observation.images.main', 4)).toEqual(await ours.frame('main', 4));
});

it('a size that H.264 cannot have is refused', async () => {
  const odd = { ...dataset, cameras: [{ name: 'main', width: 33, height: 16 }] };
  await expect(written(odd, { version: 'v3.0', frames: 'video', codec: 'avc' })).rejects.toMatchObject({
    code: 'unsupported',
  });
});
