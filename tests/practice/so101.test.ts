import { describe, expect, test } from 'vitest';
import { expertAction } from '../../src/practice/expert.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { SuccessJudge } from '../../src/practice/rollout.ts';
import { LINKS, TIP } from '../../src/practice/so101/figures.ts';
import { handFrame, pointOf, poseOf, solve } from '../../src/practice/so101/kinematics.ts';
import { fromRadians, JOINT_NAMES, SO101_LIMITS, toRadians } from '../../src/practice/so101/profile.ts';
import { So101World } from '../../src/practice/so101/world.ts';
import { TableRobot } from '../../src/practice/table-robot.ts';
import { assignmentFor, taskNamed, taskOf, tasksOf } from '../../src/practice/tasks.ts';
import { advancePeriod, stepWorld } from '../../src/practice/world.ts';
import { GuardedRobot } from '../../src/robot/guarded-robot.ts';

const mujoco = await loadMujoco();

function laid(task: string, seed: number) {
  const { goal, layout } = assignmentFor(taskNamed(task), seed, 'so101');
  return { goal, world: new So101World(mujoco, layout) };
}

describe('the SO-101', () => {
  test('has LeRobot’s names, degrees and per cent, and the real arm’s ranges', () => {
    expect(JOINT_NAMES).toEqual([
      'shoulder_pan.pos',
      'shoulder_lift.pos',
      'elbow_flex.pos',
      'wrist_flex.pos',
      'wrist_roll.pos',
      'gripper.pos',
    ]);
    expect(SO101_LIMITS.map(({ min, max }) => [Math.round(min), Math.round(max)])).toEqual([
      [-110, 110],
      [-100, 100],
      [-97, 97],
      [-95, 95],
      [-157, 163],
      [0, 100],
    ]);
    // 45 rpm, without load.
    expect(SO101_LIMITS[0]!.speed).toBeCloseTo(270, 0);
    const values = [10, -20, 30, -40, 50, 60];
    for (const [i, value] of fromRadians(toRadians(values)).entries())
      expect(value).toBeCloseTo(values[i]!, 10);
    expect(toRadians([0, 0, 0, 0, 0, 0])[5]).toBeCloseTo(-0.1745, 4);
    expect(toRadians([0, 0, 0, 0, 0, 100])[5]).toBeCloseTo(1.7453, 4);
  });

  test('at zero reaches where its public model says, and every joint moves it as MuJoCo has it', () => {
    // so101_new_calib: the gripper frame at zero lies 0.391 m before the base and 0.226 m above it.
    const [x, y, z] = pointOf(handFrame([0, 0, 0, 0, 0]), TIP);
    expect(x + 0.24).toBeCloseTo(0.3914, 3);
    expect(y).toBeCloseTo(0, 3);
    expect(z).toBeCloseTo(0.2265, 3);
    const { world } = laid('lift', 3);
    const before = world.angles;
    for (let joint = 0; joint < 5; joint++) {
      const target = fromRadians(before);
      target[joint]! += 12;
      for (let i = 0; i < 40; i++) stepWorld(world, target);
      const { point } = poseOf(world.angles);
      for (const [axis, value] of world.position('gripper').entries())
        expect(value).toBeCloseTo(point[axis]!, 5);
      expect(world.state()[joint]! - fromRadians(before)[joint]!).toBeCloseTo(12, 0);
    }
    world.dispose();
  });

  test('inverse kinematics bring the hand where it works, within the joints’ ranges', () => {
    let start: readonly number[] = [0, -0.3, 0.3, 1, 0];
    for (const x of [-0.05, 0, 0.04]) {
      for (const y of [-0.12, 0, 0.12]) {
        for (const height of [0.02, 0.08]) {
          const wanted = { point: [x, y, height] as const, lean: 0.42, closing: Math.PI / 2 };
          const { angles, missed } = solve(wanted, start);
          expect(missed).toBeLessThan(1e-3);
          angles.forEach((angle, i) => {
            expect(angle).toBeGreaterThanOrEqual(LINKS[i]!.range[0]);
            expect(angle).toBeLessThanOrEqual(LINKS[i]!.range[1]);
          });
          start = angles;
        }
      }
    }
  });

  test('opens and closes, holds where it is told to stay, and is the same again from a snapshot', () => {
    const { world } = laid('lift', 3);
    const open = [...world.standing()];
    open[5] = 80;
    for (let i = 0; i < 20; i++) stepWorld(world, open);
    const wide = world.opening;
    open[5] = 0;
    for (let i = 0; i < 30; i++) stepWorld(world, open);
    expect(wide).toBeGreaterThan(0.04);
    expect(world.opening).toBeLessThan(0.01);
    const snapshot = world.snapshot();
    const once = [0, 1, 2].map(
      () => (
        stepWorld(
          world,
          open.map((value, i) => value + (i === 0 ? 5 : 0)),
        ),
        world.state()
      ),
    );
    world.restore(snapshot);
    const again = [0, 1, 2].map(
      () => (
        stepWorld(
          world,
          open.map((value, i) => value + (i === 0 ? 5 : 0)),
        ),
        world.state()
      ),
    );
    expect(again).toEqual(once);
    world.begin(open.map((value, i) => value + (i === 0 ? 8 : 0)));
    world.advance();
    world.stay();
    for (let i = 0; i < 20; i++) advancePeriod(world);
    const [rests] = world.state();
    advancePeriod(world);
    expect(world.state()[0]).toBeCloseTo(rests!, 3);
    world.dispose();
  });

  test('behind its guard is commanded nothing beyond its servos, whatever is asked', async () => {
    const { world } = laid('lift', 3);
    const robot = new GuardedRobot(
      new TableRobot(
        world,
        async () => [],
        () => 0,
      ),
      () => 0,
    );
    let before = world.standing();
    for (let i = 0; i < 60; i++) {
      const values = robot.command(
        [1e3, -1e3, Number.NaN, 1e3, -1e3, i % 2 ? 500 : -500].map((value) => (i % 7 < 3 ? -value : value)),
      );
      advancePeriod(world);
      values.forEach((value, joint) => {
        const { min, max, speed } = SO101_LIMITS[joint]!;
        expect(value).toBeGreaterThanOrEqual(min - 1e-6);
        expect(value).toBeLessThanOrEqual(max + 1e-6);
        expect(Math.abs(value - before[joint]!)).toBeLessThanOrEqual(speed / 30 + 1e-6);
      });
      before = [...values];
    }
    robot.close();
  });

  test('begins with its hand the same way up on every table: the camera at it sees things from one side', () => {
    for (let seed = 0; seed < 24; seed++) {
      const { world } = laid(seed % 2 ? 'reach' : 'lift', seed);
      const roll = world.state()[4]!;
      world.dispose();
      // Of the two half turns that close along the same line.
      expect(Math.abs(roll + 92)).toBeLessThan(20);
    }
  });

  test('is asked for what it can do', () => {
    expect(tasksOf('so101').map(({ name }) => name)).toEqual(['reach', 'lift', 'bowl']);
    expect(() => taskOf('so101', 'push')).toThrow(/cannot be asked for "push"/);
  });
});

describe('the expert with the SO-101', () => {
  // Hundreds of them are `npm run evaluate -- --robot so101 --expert`'s business.
  test.each(['reach', 'lift', 'bowl'])('does %s', (task) => {
    for (const seed of [3, 4]) {
      const { goal, world } = laid(task, seed);
      const judge = new SuccessJudge(goal);
      let done = false;
      for (let steps = 0; steps < 200 && !done; steps++) {
        stepWorld(world, expertAction(world, goal));
        done = judge.after(world);
      }
      world.dispose();
      expect(done).toBe(true);
    }
  });
});
