import { describe, expect, test } from 'vitest';
import { Drive, type Hold } from '../../src/robot/drive.ts';
import { GuardedRobot } from '../../src/robot/guarded-robot.ts';
import { runLoop, type LoopSettings } from '../../src/robot/loop.ts';
import { pace } from '../../src/robot/pace.ts';
import type { RobotObservation } from '../../src/robot/robot.ts';
import { FakeClock, fakeRobot, GRIPPER, JOINT, settled } from './fake-robot.ts';

const PERIOD = 1000 / 30;
const EXACT = 1e-9;

const constant = (value: number, length = 8) => Array.from({ length }, () => [value, 100]);

/** A robot at work in the time of a clock that is turned by hand. */
function atWork(
  predict: (observation: RobotObservation, turn: number) => Promise<readonly (readonly number[])[]>,
  settings: Partial<LoopSettings> = {},
  options: ConstructorParameters<typeof Drive>[1] = {},
) {
  const clock = new FakeClock();
  const bare = fakeRobot(clock);
  const robot = new GuardedRobot(bare, () => clock.now());
  const holds: (Hold | null)[] = [];
  const drive = new Drive(robot, { onHold: (hold) => holds.push(hold), ...options });
  let turns = 0;
  const asked: number[] = [];
  const ended = runLoop(robot, drive, {
    predict: (observation) => {
      asked.push(clock.now());
      return predict(observation, turns++);
    },
    settings: () => ({ execute: 4, ensembling: false, ahead: false, ...settings }),
    now: () => clock.now(),
  });
  const failed = ended.then(
    () => null,
    (error: unknown) => error,
  );
  pace(drive, robot.periodMs, clock);
  return { clock, bare, robot, drive, holds, asked, failed };
}

/** Answers after a while of the clock's time. */
const after = (clock: () => FakeClock, ms: number, value: readonly (readonly number[])[]) =>
  new Promise<readonly (readonly number[])[]>((resolve) =>
    clock().at(clock().now() + ms, () => resolve(value)),
  );

/** None of the commands that were sent is beyond the limits. */
function expectWithinLimits(log: GuardedRobot['log']): void {
  const seconds = PERIOD / 1000;
  let [before, velocity] = [0, 0];
  for (const { values } of log) {
    const [joint, gripper] = values as [number, number];
    expect(Math.abs(joint)).toBeLessThanOrEqual(JOINT.max + EXACT);
    expect(Math.abs(joint - before)).toBeLessThanOrEqual(JOINT.speed * seconds + EXACT);
    expect(Math.abs(joint - before - velocity)).toBeLessThanOrEqual(
      JOINT.acceleration * seconds ** 2 + EXACT,
    );
    expect(gripper).toBeGreaterThanOrEqual(GRIPPER.min);
    expect(gripper).toBeLessThanOrEqual(GRIPPER.max);
    [before, velocity] = [joint, joint - before];
  }
}

describe('a robot at work', () => {
  test('gets one command per period, in step with the clock, and predicts again after k of K', async () => {
    const { clock, robot, asked, drive } = atWork(async () => constant(10), { ahead: true });
    await clock.pass(1000);
    const times = robot.log.map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThan(28);
    for (const [i, time] of times.slice(1).entries()) expect(time - times[i]!).toBeCloseTo(PERIOD, 6);
    // The first chunk is waited for.
    for (const [i, time] of asked.slice(2).entries()) expect(time - asked[i + 1]!).toBeCloseTo(4 * PERIOD, 6);
    drive.halt();
  });

  test('whose policy jumps from end to end, and beyond, never leaves its limits', async () => {
    const { clock, robot, drive } = atWork(async (_, turn) =>
      Array.from({ length: 8 }, (__, i) => [(turn + i) % 3 === 0 ? 500 : -500, i % 2 ? Number.NaN : 1e9]),
    );
    await clock.pass(10_000);
    expect(robot.log.length).toBeGreaterThan(250);
    expect(robot.log.some(({ asked }) => asked?.[0] === 500)).toBe(true);
    expectWithinLimits(robot.log);
    drive.halt();
  });

  test('whose policy hangs comes to rest within its limits, says so, and stays', async () => {
    let hung = false;
    const { clock, robot, bare, holds, drive } = atWork((_, turn) => {
      if (turn < 6) return Promise.resolve(constant(90));
      hung = true;
      return new Promise(() => undefined);
    });
    await clock.pass(10_000);
    expect(hung).toBe(true);
    expect(holds).toEqual(['no-action']);
    expect(drive.hold).toBe('no-action');
    expectWithinLimits(robot.log);
    const rests = bare.at;
    const count = robot.log.length;
    // It braked: what was commanded last was not asked for by anybody.
    expect(robot.log.at(-1)!.asked).toBeNull();
    await clock.pass(60_000);
    expect(bare.at).toEqual(rests);
    expect(robot.log).toHaveLength(count);
    drive.halt();
  });

  test('goes on once the policy answers again', async () => {
    let answer!: (actions: readonly (readonly number[])[]) => void;
    const { clock, holds, drive } = atWork((_, turn) =>
      turn === 0 ? new Promise((resolve) => (answer = resolve)) : Promise.resolve(constant(5)),
    );
    await clock.pass(500);
    expect(holds).toEqual(['no-action']);
    answer(constant(5));
    await clock.pass(500);
    expect(holds).toEqual(['no-action', null]);
    expect(drive.steps).toBeGreaterThan(10);
    drive.halt();
  });

  test('does not carry out what was planned for while the machine slept', async () => {
    const { clock, robot, drive, holds, asked } = atWork(async () => constant(40), { execute: 8 });
    await clock.pass(100);
    const before = asked.length;
    clock.sleep(5000);
    await clock.pass(1);
    expect(holds).toEqual(['late']);
    expect(robot.log.at(-1)!.asked).toBeNull();
    drive.halt();
    expect(asked.length).toBe(before);
  });

  test('stops at once when it is halted, though the policy hangs, and is sent nothing afterwards', async () => {
    const { clock, robot, bare, drive, failed } = atWork((_, turn) =>
      turn < 2 ? Promise.resolve(constant(90)) : new Promise(() => undefined),
    );
    await clock.pass(400);
    drive.halt();
    expect(await failed).toBeNull();
    expect(await drive.over).toBe('halted');
    expect(bare.halts).toBe(1);
    const count = robot.log.length;
    await clock.pass(1000);
    expect(robot.log).toHaveLength(count);
  });

  test('is halted where the policy fails, and the failure is told', async () => {
    const { clock, bare, failed } = atWork((_, turn) =>
      turn < 2 ? Promise.resolve(constant(90)) : Promise.reject(new Error('device lost')),
    );
    await clock.pass(1000);
    expect(await failed).toMatchObject({ message: 'device lost' });
    expect(bare.halts).toBe(1);
  });

  test('ends when the goal is reached, or after so many actions', async () => {
    let left = 7;
    const first = atWork(async () => constant(1), {}, { judge: () => --left === 0 });
    await first.clock.pass(1000);
    expect(await first.drive.over).toBe('reached');
    expect(first.drive.steps).toBe(7);
    const second = atWork(async () => constant(1), {}, { most: 6 });
    await second.clock.pass(1000);
    expect(await second.drive.over).toBe('limit');
    expect(second.robot.log).toHaveLength(6);
  });

  test('of another size than the policy refuses its actions', async () => {
    const { clock, failed } = atWork(async () => [[1, 2, 3]]);
    await clock.pass(100);
    expect(await failed).toMatchObject({ message: expect.stringContaining('got 3') });
  });

  test('that fails itself ends the run with that', async () => {
    const { clock, bare, failed } = atWork(async () => constant(1));
    bare.execute = () => {
      throw new Error('unplugged');
    };
    await clock.pass(100);
    expect(await failed).toMatchObject({ message: 'unplugged' });
  });
});

describe('predicting ahead', () => {
  const LATENCY = 2.5 * PERIOD;

  test('leaves no pause between chunks, and skips what has passed meanwhile', async () => {
    const seen: number[] = [];
    const skipped: number[] = [];
    let clockNow!: FakeClock;
    const work = atWork(
      (_, turn) =>
        after(
          () => clockNow,
          LATENCY,
          Array.from({ length: 8 }, (__, i) => [turn + i / 100, 0]),
        ),
      { ahead: true },
    );
    clockNow = work.clock;
    await work.clock.pass(2000);
    const { log } = work.robot;
    const times = log.map(({ atMs }) => atMs);
    for (const [i, time] of times.slice(1).entries()) expect(time - times[i]!).toBeCloseTo(PERIOD, 6);
    expect(work.holds.filter((hold) => hold !== null)).toEqual(['no-action']);
    // Each action that was asked for stands in its chunk at the place of its step since the observation.
    for (const [step, { asked }] of log.entries()) {
      const turn = Math.floor(asked![0]! + 1e-9);
      const index = Math.round((asked![0]! - turn) * 100);
      seen[turn] ??= step - index;
      expect(step - index).toBe(seen[turn]);
      skipped.push(turn > 0 ? index : 2);
    }
    expect(Math.min(...skipped)).toBeGreaterThanOrEqual(2);
    expect(seen.length).toBeGreaterThan(8);
    work.drive.halt();
  });

  test('without it the robot waits for each chunk', async () => {
    let clockNow!: FakeClock;
    const work = atWork(() => after(() => clockNow, LATENCY, constant(3)));
    clockNow = work.clock;
    await work.clock.pass(2000);
    const gaps = work.robot.log
      .filter(({ asked }) => asked)
      .map(({ atMs }, i, all) => atMs - (all[i - 1]?.atMs ?? atMs));
    expect(Math.max(...gaps)).toBeGreaterThan(LATENCY);
    work.drive.halt();
  });
});

describe('temporal ensembling', () => {
  test('predicts after every action and blends what was said about it', async () => {
    const { clock, robot, asked, drive } = atWork(async (_, turn) => constant(turn), { ensembling: true });
    await clock.pass(400);
    expect(asked.length).toBeGreaterThan(4);
    const third = robot.log.flatMap(({ asked: action }) => action ?? [])[2 * 2]!;
    const weights = [1, Math.exp(-0.01), Math.exp(-0.02)];
    const mean = (weights[1]! + 2 * weights[2]!) / (weights[0]! + weights[1]! + weights[2]!);
    expect(third).toBeCloseTo(mean, 12);
    drive.halt();
  });
});

test('an action for another robot is refused with the names of what it takes', () => {
  const clock = new FakeClock();
  const robot = new GuardedRobot(fakeRobot(clock), () => 0);
  expect(() => robot.command([1, 2, 3])).toThrow(/2 numbers \(joint 0, joint 1\); got 3/);
});

test('what is driven by hand passes the same guard', async () => {
  const clock = new FakeClock();
  const bare = fakeRobot(clock);
  const robot = new GuardedRobot(bare, () => clock.now());
  for (let i = 0; i < 50; i++) robot.command([400, 50]);
  expectWithinLimits(robot.log);
  while (!robot.atRest) robot.hold();
  expectWithinLimits(robot.log);
  expect(bare.executed).toHaveLength(robot.log.length);
  await settled();
});
