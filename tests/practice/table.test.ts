import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.ts';
import { expertAction, holding } from '../../src/practice/expert.ts';
import { achieved, placeOf } from '../../src/practice/goal.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { OBJECTS } from '../../src/practice/objects.ts';
import { ActionNoise, Detour, expertChunk, SuccessJudge } from '../../src/practice/rollout.ts';
import { PracticeTable } from '../../src/practice/table.ts';
import {
  ALL_INSTRUCTIONS,
  assignmentFor,
  goalOf,
  TASKS,
  taskNamed,
  variedAssignmentFor,
  type Assignment,
} from '../../src/practice/tasks.ts';

const mujoco = await loadMujoco();
const STILL = [0, 0, 0, 0, 0, 0, 1];

/** Steps until the expert succeeds; null where it does not. */
function solve(
  { goal, layout }: Pick<Assignment, 'goal' | 'layout'>,
  seed: number,
  { noise = 0, astray = 0 }: { noise?: number; astray?: number } = {},
): number | null {
  const table = new PracticeTable(mujoco, layout);
  const random = new Random(seed);
  const disturbed = new ActionNoise(random, { most: noise, knocks: 0.03, hz: 10 });
  const detour = new Detour(random, table, goal, astray);
  const judge = new SuccessJudge(goal);
  try {
    for (let step = 0; step < 120; step++) {
      const action = detour.divert(step, table, expertAction(table, goal));
      table.step(noise > 0 ? disturbed.disturb(action) : action);
      if (judge.after(table)) return step;
    }
    return null;
  } finally {
    table.dispose();
  }
}

describe('layouts', () => {
  it.each(TASKS.map(({ name }) => name))('%s: objects lie apart, the goal is not reached yet', (name) => {
    for (let seed = 0; seed < 40; seed++) {
      const { goal, layout } = assignmentFor(taskNamed(name), seed);
      for (const [i, a] of layout.objects.entries()) {
        for (const b of layout.objects.slice(i + 1)) {
          const apart = Math.hypot(a.position[0] - b.position[0], a.position[1] - b.position[1]);
          expect(apart).toBeGreaterThan(OBJECTS[a.name].radius + OBJECTS[b.name].radius);
        }
      }
      const table = new PracticeTable(mujoco, layout);
      expect(achieved(table, goal)).toBe(false);
      table.dispose();
    }
  });

  it('follow from task and seed alone', () => {
    const [first, again, other] = [5, 5, 6].map((seed) => assignmentFor(taskNamed('stack'), seed));
    expect(again).toEqual(first);
    expect(other!.layout).not.toEqual(first!.layout);
  });
});

describe('what pretraining never sees', () => {
  it('is in none of its instructions, and on none of its tables', () => {
    const varied = TASKS.filter(({ heldOut }) => !heldOut).flatMap((task) =>
      Array.from({ length: 60 }, (_, seed) => variedAssignmentFor(task, seed)),
    );
    const unseen = /purple|can\b|behind/;
    expect(varied.filter(({ instruction }) => unseen.test(instruction))).toEqual([]);
    expect(varied.flatMap(({ layout }) => layout.objects).filter(({ name }) => unseen.test(name))).toEqual(
      [],
    );
    expect(new Set(varied.map(({ goal }) => goal.target)).size).toBeGreaterThan(10);
  });
});

describe('tasks', () => {
  it('there are eight or more, three of them held out', () => {
    expect(TASKS.length).toBeGreaterThanOrEqual(8);
    expect(TASKS.filter(({ heldOut }) => heldOut).length).toBeGreaterThanOrEqual(3);
  });

  it('held-out objects and words are in no trained task', () => {
    const trained = TASKS.filter(({ heldOut }) => !heldOut);
    for (const task of trained) {
      for (let seed = 0; seed < 200; seed++) {
        const { layout, instruction } = assignmentFor(task, seed);
        const names = layout.objects.map(({ name }) => name);
        expect(names).not.toContain('purple block');
        expect(names).not.toContain('can');
        expect(instruction).not.toMatch(/purple|\bcan\b|behind/);
      }
    }
  });

  it('every instruction asks for one goal', () => {
    expect(new Set(ALL_INSTRUCTIONS).size).toBe(ALL_INSTRUCTIONS.length);
    const goals = new Map<string, Set<string>>();
    for (const task of TASKS) {
      for (const goal of [...task.goals, ...(task.variedGoals ?? [])]) {
        for (const text of task.phrasings(goal))
          goals.set(text, new Set([...(goals.get(text) ?? []), JSON.stringify([task.name, goal])]));
      }
    }
    expect([...goals.keys()].toSorted()).toEqual(ALL_INSTRUCTIONS.toSorted());
    expect([...goals].filter(([, asked]) => asked.size > 1)).toEqual([]);
    expect(goalOf('  Put the RED block  on the plate. ')).toEqual({
      task: taskNamed('plate'),
      goal: { kind: 'place', target: 'red block', relation: 'on', destination: 'plate' },
    });
    expect(goalOf('make me a coffee')).toBeNull();
  });

  it('an unknown one is refused with those there are', () => {
    expect(() => taskNamed('juggle')).toThrow(/no task "juggle"/);
  });
});

describe('the scripted expert', () => {
  it('solves every task on at least 98 of 100 layouts', () => {
    const seeds = Array.from({ length: 12 }, (_, i) => 900 + i);
    const runs = TASKS.flatMap((task) => seeds.map((seed) => solve(assignmentFor(task, seed), seed)));
    const solved = runs.filter((steps) => steps !== null);
    expect(solved.length / runs.length).toBeGreaterThanOrEqual(0.98);
  }, 60_000);

  it('recovers from noise, knocks and a gripper that flips', () => {
    const runs = TASKS.flatMap((task) =>
      [1, 2, 3, 4].map((seed) => solve(assignmentFor(task, seed), seed, { noise: 0.5 })),
    );
    expect(runs.filter((steps) => steps !== null).length / runs.length).toBeGreaterThan(0.8);
  }, 60_000);

  it('lets go of a thing that was not meant, and takes the one that was', () => {
    const seeds = Array.from({ length: 8 }, (_, i) => 40 + i);
    const runs = TASKS.flatMap((task) =>
      seeds.map((seed) => {
        const assignment = assignmentFor(task, seed);
        return { straight: solve(assignment, seed), detour: solve(assignment, seed, { astray: 1 }) };
      }),
    );
    expect(runs.filter(({ detour }) => detour !== null).length / runs.length).toBeGreaterThan(0.9);
    // It did go elsewhere first; some are done before they could.
    const longer = runs.filter(({ straight, detour }) => (detour ?? Infinity) > (straight ?? 0) + 3);
    expect(longer.length / runs.length).toBeGreaterThan(0.7);
  }, 60_000);

  it('moves whatever pretraining moves', () => {
    const trained = TASKS.filter(({ heldOut }) => !heldOut);
    const runs = trained.flatMap((task) =>
      Array.from({ length: 16 }, (_, seed) => solve(variedAssignmentFor(task, seed), seed)),
    );
    expect(runs.filter((steps) => steps !== null).length / runs.length).toBeGreaterThanOrEqual(0.95);
  }, 60_000);

  it('says what it will do without doing it', () => {
    const { goal, layout } = assignmentFor(taskNamed('lift'), 3);
    const table = new PracticeTable(mujoco, layout);
    const before = table.snapshot();
    const chunk = expertChunk(table, goal, 8);
    expect(table.snapshot()).toEqual(before);
    for (let step = 0; step < 8; step++) {
      const action = expertAction(table, goal);
      expect(Array.from(chunk.subarray(7 * step, 7 * step + 7))).toEqual(action.map(Math.fround));
      table.step(action);
    }
    table.dispose();
  });
});

describe('the physics', () => {
  it('goes on from a snapshot as it did before, bit for bit', () => {
    const { goal, layout } = assignmentFor(taskNamed('plate'), 11);
    const table = new PracticeTable(mujoco, layout);
    for (let i = 0; i < 8; i++) table.step(expertAction(table, goal));
    const from = table.snapshot();
    const run = () => {
      table.restore(from);
      for (let i = 0; i < 10; i++) table.step(expertAction(table, goal));
      return table.snapshot();
    };
    expect(run()).toEqual(run());
    table.dispose();
  });

  it('holds a block by friction alone', () => {
    const { goal, layout } = assignmentFor(taskNamed('lift'), 4);
    const table = new PracticeTable(mujoco, layout);
    for (let i = 0; i < 30; i++) table.step(expertAction(table, goal));
    expect(holding(table, goal.target)).toBe(true);
    const height = table.position(goal.target)[2];
    for (let i = 0; i < 30; i++) table.step([0.4 * Math.sin(i), 0.4 * Math.cos(i), 0, 0, 0, 0, 0]);
    expect(table.position(goal.target)[2]).toBeGreaterThan(height - 0.01);
    for (let i = 0; i < 10; i++) table.step(STILL);
    expect(table.position(goal.target)[2]).toBeLessThan(0.03);
    table.dispose();
  });

  it('lets a hand drag an object, and let go', () => {
    const { layout } = assignmentFor(taskNamed('lift'), 7);
    const table = new PracticeTable(mujoco, layout);
    const name = layout.objects.find((object) => OBJECTS[object.name].width !== null)!.name;
    table.hold(name, [0.2, 0.2, 0.1]);
    for (let i = 0; i < 15; i++) table.step(STILL);
    expect(Math.hypot(...table.position(name).map((value, i) => value - [0.2, 0.2, 0.1][i]!))).toBeLessThan(
      0.02,
    );
    table.hold(name, null);
    for (let i = 0; i < 15; i++) table.step(STILL);
    expect(table.position(name)[2]).toBeLessThan(0.03);
    table.dispose();
  });

  it('refuses an action that is none', () => {
    const table = new PracticeTable(mujoco, assignmentFor(taskNamed('lift'), 7).layout);
    expect(() => table.step([0, 0, Number.NaN, 0, 0, 0, 1])).toThrow(/7 finite numbers/);
    expect(() => table.step([0, 0, 0])).toThrow(/7 finite numbers/);
    table.dispose();
  });
});

describe('judging', () => {
  it('a goal has to hold for two actions', () => {
    const { goal, layout } = assignmentFor(taskNamed('lift'), 4);
    const table = new PracticeTable(mujoco, layout);
    const judge = new SuccessJudge(goal);
    const seen: boolean[] = [];
    const held: boolean[] = [];
    for (let i = 0; i < 30; i++) {
      table.step(expertAction(table, goal));
      held.push(achieved(table, goal));
      seen.push(judge.after(table));
    }
    expect(seen.indexOf(true)).toBe(held.indexOf(true) + 1);
    table.dispose();
  });

  it.each([
    ['in front of', 0.1, 0],
    ['before', 0.1, 0],
    ['behind', -0.1, 0],
    ['to the left of', 0, -0.1],
    ['on the right of', 0, 0.1],
  ])('“%s the plate” is there and nowhere else', (words, dx, dy) => {
    const { goal, task } = goalOf(`put the red block ${words} the plate`)!;
    expect(task.name).toBe(words === 'behind' ? 'behind' : 'beside');
    const lies = (x: number, y: number, plate: readonly [number, number]) => {
      const table = new PracticeTable(mujoco, {
        objects: [
          { name: 'red block', position: [plate[0] + x, plate[1] + y], yaw: 0 },
          { name: 'plate', position: plate, yaw: 0 },
        ],
        gripper: [0, 0, 0.2],
      });
      try {
        return achieved(table, goal);
      } finally {
        table.dispose();
      }
    };
    for (const [x, y] of [
      [0.1, 0],
      [-0.1, 0],
      [0, 0.1],
      [0, -0.1],
      [0, 0.15],
    ] as const)
      expect(lies(x, y, [0.01, 0.02])).toBe(x === dx && y === dy);
    const next = goalOf('place the red block next to the plate')!.goal;
    expect(next).toEqual(goalOf('set the red block beside the plate')!.goal);
  });

  it('“next to” is to the left or the right, and the expert takes the side towards the middle', () => {
    const { goal } = goalOf('put the red block next to the bowl')!;
    if (goal.kind !== 'place') throw new Error('not a goal of placing');
    for (const side of [-1, 1]) {
      const table = new PracticeTable(mujoco, {
        objects: [
          { name: 'red block', position: [0, side * 0.04 + 0.1], yaw: 0 },
          { name: 'bowl', position: [0, side * 0.04], yaw: 0 },
        ],
        gripper: [0, 0, 0.2],
      });
      expect(achieved(table, goal)).toBe(true);
      expect(placeOf(table, goal)[1]).toBeCloseTo(side * (0.04 - 0.1), 5);
      table.dispose();
    }
  });

  it('a block that is only carried over the plate is not put there', () => {
    const { goal, layout } = assignmentFor(taskNamed('plate'), 2);
    const table = new PracticeTable(mujoco, layout);
    for (let i = 0; i < 60; i++) {
      const action = expertAction(table, goal);
      // Never lets go once it holds the block.
      table.step(holding(table, goal.target) ? action.with(6, 0) : action);
      expect(achieved(table, goal)).toBe(false);
    }
    table.dispose();
  });
});
