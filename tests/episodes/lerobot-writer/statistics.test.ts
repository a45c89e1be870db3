import { describe, expect, it } from 'vitest';
import {
  ImageStatistics,
  sampledSteps,
  STATISTICS,
  TotalStatistics,
  vectorStatistics,
  type FeatureStatistics,
} from '../../../src/episodes/lerobot-writer/statistics.ts';
import { floatText } from '../../../src/episodes/lerobot-writer/json.ts';
import { loadFixture } from '../../setup/fixture.ts';

type Expected = Record<string, Record<string, number[]>>;
/** What lerobot 0.6.1's `get_feature_stats` and `aggregate_stats` gave for the same rows and images. */
const upstream = JSON.parse(
  new TextDecoder().decode(await loadFixture('tests/episodes/lerobot-writer/upstream-statistics.json')),
) as {
  episode: Expected;
  total: Expected;
  sampledOf130: number[];
  samplesOf1000: number;
  lastOf2777: number[];
};

const LENGTHS = [4, 7];
const CAMERA = 'observation.images.c';

const rows = (episode: number, length: number) =>
  Float32Array.from(
    { length: 2 * length },
    (_, i) => (((i >> 1) * 7 + (i & 1) * 3 + episode * 5) % 23) / 4 - 2,
  );

/** Large enough to be thinned out. */
function image(episode: number, step: number) {
  const [width, height] = [320, 200];
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = [(x * 3 + step * 11) % 256, (y * 5 + episode * 40) % 256, (x + y + step) % 256, 255];
      data.set(pixel, 4 * (y * width + x));
    }
  }
  return { width, height, data };
}

function episodeStatistics(episode: number): Map<string, FeatureStatistics> {
  const length = LENGTHS[episode]!;
  const images = new ImageStatistics();
  for (let step = 0; step < length; step++) images.add(image(episode, step));
  return new Map([
    ['action', vectorStatistics(rows(episode, length), 2)],
    [CAMERA, images.finish()],
  ]);
}

/** What of ours is not theirs. */
function differences(ours: ReadonlyMap<string, FeatureStatistics>, theirs: Expected): string[] {
  return Object.entries(theirs).flatMap(([feature, expected]) => {
    const given = ours.get(feature)!;
    // Quantiles: a bin of lerobot's histogram is 1/5000 of the range. The rest: lerobot computes in float32, of an image's squares too.
    const range = Math.max(...expected['max']!) - Math.min(...expected['min']!);
    const exact = feature === CAMERA ? 5e-5 : 2e-6;
    const wrong = STATISTICS.filter((key) => {
      const within = (key.startsWith('q') ? 1 / 2500 : exact) * range;
      return !expected[key]!.every((value, i) => Math.abs(given[key][i]! - value) <= within);
    });
    const count = given.count === expected['count']![0] ? [] : ['count'];
    return [...wrong, ...count].map((key) => `${feature} ${key}`);
  });
}

describe('statistics of what is written', () => {
  it('are lerobot’s: of an episode', () => {
    expect(differences(episodeStatistics(1), upstream.episode)).toEqual([]);
  });

  it('are lerobot’s: of all episodes together', () => {
    const total = new TotalStatistics();
    for (const episode of LENGTHS.keys()) total.add(episodeStatistics(episode));
    expect(differences(total.finish(), upstream.total)).toEqual([]);
  });

  it('look at the images that lerobot looks at', () => {
    expect([...sampledSteps(130)]).toEqual(upstream.sampledOf130);
    expect(sampledSteps(1000).size).toBe(upstream.samplesOf1000);
    expect([...sampledSteps(2777)].slice(-3)).toEqual(upstream.lastOf2777);
    expect([...sampledSteps(3)]).toEqual([0, 1, 2]);
    expect([...sampledSteps(1)]).toEqual([0]);
  });

  it('leave out values that are not finite', () => {
    const { min, max, mean, q50, count } = vectorStatistics([1, NaN, Infinity, 3], 1);
    expect({ min, max, mean, q50, count }).toEqual({ min: [1], max: [3], mean: [2], q50: [1], count: 4 });
    expect(vectorStatistics([NaN, NaN], 1).mean).toEqual([0]);
  });

  it('are numbers that Python reads as floats', () => {
    expect([0, -0, 1, -3, 0.5, 1e21, 1e-7, 123456789012].map(floatText)).toEqual([
      '0.0',
      '0.0',
      '1.0',
      '-3.0',
      '0.5',
      '1e+21',
      '1e-7',
      '123456789012.0',
    ]);
  });
});
