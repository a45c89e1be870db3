import { expect, it } from 'vitest';
import { openLeRobot } from '../../../src/episodes/lerobot.ts';
import type { VideoCodecName } from '../../../src/episodes/lerobot-writer/options.ts';
import { memoryDataset } from '../../../src/episodes/memory-dataset.ts';
import { memoryFolder } from '../../../src/io/blob-folder.ts';
import { textOf, written } from './made.ts';

const SIZE = { width: 96, height: 64 };
const LENGTHS = [7, 1, 12];

/** Smooth and in every colour; blue says which frame it is. */
function picture(episode: number, step: number) {
  const { width, height } = SIZE;
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data.set(
        [(x * 255) / width, (y * 255) / height, 30 + 15 * step + 10 * episode, 255],
        4 * (y * width + x),
      );
    }
  }
  return { ...SIZE, data };
}

const dataset = memoryDataset({
  name: 'recorded',
  fps: 10,
  actionNames: ['x', 'y'],
  stateNames: null,
  cameras: [{ name: 'main', ...SIZE }],
  episodes: LENGTHS.map((length, episode) => ({
    instruction: 'lift it',
    actions: Float32Array.from({ length: 2 * length }, (_, i) => i),
    state: null,
    frames: { main: Array.from({ length }, (_, step) => picture(episode, step)) },
  })),
});

/** Which codecs a Chromium encodes depends on how it was built; AV1 is in all of them. */
async function codecsHere(): Promise<VideoCodecName[]> {
  const { canEncodeVideo } = await import('mediabunny');
  const codecs: VideoCodecName[] = [];
  for (const codec of ['avc', 'av1'] as const) if (await canEncodeVideo(codec, SIZE)) codecs.push(codec);
  return codecs;
}

it('video that is written is read back frame by frame, in the same colours', async () => {
  const codecs = await codecsHere();
  expect(codecs).toContain('av1');
  for (const codec of codecs) {
    for (const version of ['v2.1', 'v3.0'] as const) {
      const files = await written(dataset, { version, frames: 'video', codec });
      const info = JSON.parse(textOf(files, 'meta/info.json')) as { features: Record<string, unknown> };
      expect(info.features['observation.images.main']).toMatchObject({
        dtype: 'video',
        shape: [64, 96, 3],
        info: { 'video.codec': codec === 'avc' ? 'h264' : 'av1', 'video.fps': 10 },
      });
      const copy = await openLeRobot(memoryFolder('copy', files));
      for (const [episode, length] of LENGTHS.entries()) {
        const opened = await copy.open(episode);
        for (let step = 0; step < length; step++) {
          const { data } = await opened.frame('observation.images.main', step);
          const expected = picture(episode, step).data;
          let sum = 0;
          for (let i = 0; i < data.length; i++) sum += Math.abs(data[i]! - expected[i]!);
          // Mean of three channels; alpha is equal.
          const mean = sum / (data.length * 0.75);
          expect(mean, `${codec} ${version} episode ${episode} step ${step}`).toBeLessThan(3);
        }
      }
      await copy.close();
    }
  }
});

it('a size that H.264 cannot have is AV1, or refused', async () => {
  const odd = { ...dataset, cameras: [{ name: 'main', width: 97, height: 64 }] };
  await expect(written(odd, { version: 'v3.0', frames: 'video', codec: 'avc' })).rejects.toMatchObject({
    code: 'unsupported',
  });
});
