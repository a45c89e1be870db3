import { expect, test } from 'vitest';
import { Drive } from '../../src/robot/drive.ts';
import { GuardedRobot } from '../../src/robot/guarded-robot.ts';
import { runLoop } from '../../src/robot/loop.ts';
import { pace } from '../../src/robot/pace.ts';
import { ReplayRobot } from '../../src/robot/replay-robot.ts';
import { FakeClock, fakeRobot } from './fake-robot.ts';

const STEPS = 10;
const frame = (step: number) => ({ width: 1, height: 1, data: new Uint8ClampedArray([step, 0, 0, 255]) });

function replay(clock: FakeClock, actions = Float32Array.from({ length: 2 * STEPS }, (_, i) => i)) {
  const { profile } = fakeRobot(clock);
  const withState = { ...profile, state: [{ name: 'joint', unit: 'deg' }] };
  return new ReplayRobot(
    withState,
    {
      length: STEPS,
      actions,
      state: Float32Array.from({ length: STEPS }, (_, i) => 100 + i),
      frames: async (step) => [frame(step)],
    },
    () => clock.now(),
  );
}

test('shows the episode step by step, whatever it is told, and says how far that was from what was done', async () => {
  const clock = new FakeClock();
  const episode = replay(clock);
  const robot = new GuardedRobot(episode, () => clock.now());
  const drive = new Drive(robot, { judge: () => episode.done });
  const seen: (readonly [number, number])[] = [];
  const ended = runLoop(robot, drive, {
    // The recorded actions, the first of them three off.
    predict: async ({ images, state }) => {
      const step = images[0]!.data[0]!;
      seen.push([step, state![0]!]);
      return Array.from({ length: 4 }, (_, i) => [2 * (step + i) + 3, 2 * (step + i) + 1]);
    },
    settings: () => ({ execute: 2, ensembling: false, ahead: false }),
    now: () => clock.now(),
  });
  pace(drive, robot.periodMs, clock);
  await clock.pass(2000);
  await ended;
  expect(seen).toEqual([0, 2, 4, 6, 8].map((step) => [step, 100 + step]));
  expect(episode.meanErrors()).toEqual([3, 0]);
});

test('an episode of another robot is refused', () => {
  expect(() => replay(new FakeClock(), new Float32Array(30))).toThrow(
    /3 action values in a step; fake takes 2/,
  );
});
