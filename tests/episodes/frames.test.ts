import { beforeAll, describe, expect, it } from 'vitest';
import { openLeRobot } from '../../src/episodes/lerobot.ts';
import { registerDecoders } from '../../tools/node/decoders.ts';
import { fixtureSource, FIXTURES } from './fixture-source.ts';
import { framesSeen } from './painted-frames.ts';

beforeAll(registerDecoders);

describe.each(FIXTURES)('frames of %s in Node', (name) => {
  it('are those of the page: in order, back and forth, across episodes', async () => {
    const steps: [number, number][] = [
      ...Array.from({ length: 12 }, (_, step): [number, number] => [1, step]),
      [0, 13],
      [0, 7],
      [0, 6],
      [5, 11],
      [2, 15],
      [4, 14],
      [4, 14],
      [4, 1],
    ];
    const dataset = await openLeRobot(await fixtureSource(name));
    expect(await framesSeen(dataset, steps, name === 'images')).toBe(40);
  });
});
