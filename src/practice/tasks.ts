/** The tasks of the practice table: goals, their phrasings, and which ones pretraining never sees. */
import { ModelError } from '../base/errors.ts';
import { Random } from '../base/random.ts';
import type { Goal } from './goal.ts';
import { layoutFor, suits, type Layout, type Side } from './layout.ts';
import type { ObjectName } from './objects.ts';
import type { RobotName } from './world.ts';

export interface Task {
  readonly name: string;
  readonly about: string;
  /** Not in the data that the shipped policy was trained on. */
  readonly heldOut: boolean;
  /** How often it comes up in pretraining and rehearsal: the harder, and the more there is to it, the oftener. */
  readonly weight: number;
  readonly goals: readonly Goal[];
  /** More of the same with more kinds of things, for pretraining. */
  readonly variedGoals?: readonly Goal[];
  /** Instructions that ask for the goal, the plainest first. */
  readonly phrasings: (goal: Goal) => readonly string[];
}

/** A table as it was laid: everything follows from these. */
export interface Scene {
  readonly task: string;
  readonly seed: number;
  /** Who it is laid for. */
  readonly robot: RobotName;
}

/** One episode to be: everything follows from task and seed. */
export interface Assignment {
  readonly task: Task;
  readonly goal: Goal;
  readonly instruction: string;
  readonly layout: Layout;
  readonly seed: number;
}

const BLOCKS: readonly ObjectName[] = ['red block', 'green block', 'blue block', 'yellow block'];

/** What pretraining moves besides; the page shows none of it. */
const VARIETY: readonly ObjectName[] = [
  'white block',
  'orange block',
  'pink block',
  'brown block',
  'black block',
  'red cylinder',
  'green cylinder',
  'blue cylinder',
  'white cylinder',
  'pink cylinder',
  'box',
  'tower',
  'tin',
  'cup',
  'mug',
  'bottle',
  'pot',
  'toy',
];
const MOVED = [...BLOCKS, ...VARIETY];
/** A block can carry another thing, the others not safely. */
const CARRIERS = MOVED.filter((name) => name.endsWith('block'));

const place = (
  target: ObjectName,
  relation: Extract<Goal, { kind: 'place' }>['relation'],
  destination: ObjectName,
): Goal => ({ kind: 'place', target, relation, destination });

const onPlate = ({ target }: Goal) => [
  `put the ${target} on the plate`,
  `place the ${target} onto the plate`,
  `set the ${target} on the plate`,
];

/** Words for a place by the side of something, the plainest first. */
const SIDES: Readonly<Record<Side, readonly string[]>> = {
  'in front of': ['in front of', 'before'],
  'left of': ['to the left of', 'on the left of'],
  'right of': ['to the right of', 'on the right of'],
  beside: ['beside', 'next to', 'near'],
  behind: ['behind'],
};
/** Not behind: that word is for teaching. */
const TRAINED_SIDES = ['in front of', 'left of', 'right of', 'beside'] as const;
const bySides = (targets: readonly ObjectName[], destinations: readonly ObjectName[]) =>
  targets.flatMap((target) =>
    destinations
      .filter((destination) => destination !== target)
      .flatMap((destination) => TRAINED_SIDES.map((side) => place(target, side, destination))),
  );
const bySide = (goal: Goal) => {
  if (goal.kind !== 'place' || goal.relation === 'on' || goal.relation === 'in') return [];
  const { target, relation, destination } = goal;
  return ['put', 'place', 'set'].flatMap((verb) =>
    SIDES[relation].map((side) => `${verb} the ${target} ${side} the ${destination}`),
  );
};
const lift = ({ target }: Goal) => [`lift the ${target}`, `pick up the ${target}`, `raise the ${target}`];

export const TASKS: readonly Task[] = [
  {
    name: 'reach',
    about: 'Move the gripper to a block.',
    heldOut: false,
    weight: 1,
    goals: BLOCKS.map((target) => ({ kind: 'reach', target })),
    variedGoals: MOVED.map((target) => ({ kind: 'reach', target })),
    phrasings: ({ target }) => [`touch the ${target}`, `reach for the ${target}`, `move to the ${target}`],
  },
  {
    name: 'push',
    about: 'Push a block to the left or the right side of the table.',
    heldOut: false,
    weight: 3,
    goals: BLOCKS.flatMap((target) =>
      (['left', 'right'] as const).map((side): Goal => ({ kind: 'push', target, side })),
    ),
    // A cylinder would roll away.
    variedGoals: CARRIERS.flatMap((target) =>
      (['left', 'right'] as const).map((side): Goal => ({ kind: 'push', target, side })),
    ),
    phrasings: (goal) => {
      const side = 'side' in goal ? goal.side : '';
      return [
        `push the ${goal.target} to the ${side}`,
        `slide the ${goal.target} to the ${side}`,
        `shove the ${goal.target} ${side}`,
      ];
    },
  },
  {
    name: 'lift',
    about: 'Lift a block off the table.',
    heldOut: false,
    weight: 1,
    goals: BLOCKS.map((target) => ({ kind: 'lift', target })),
    variedGoals: MOVED.map((target) => ({ kind: 'lift', target })),
    phrasings: lift,
  },
  {
    name: 'plate',
    about: 'Put a block on the plate.',
    heldOut: false,
    weight: 2,
    goals: BLOCKS.map((target) => place(target, 'on', 'plate')),
    variedGoals: MOVED.map((target) => place(target, 'on', 'plate')),
    phrasings: onPlate,
  },
  {
    name: 'bowl',
    about: 'Put a block in the bowl.',
    heldOut: false,
    weight: 2,
    goals: BLOCKS.map((target) => place(target, 'in', 'bowl')),
    variedGoals: MOVED.map((target) => place(target, 'in', 'bowl')),
    phrasings: ({ target }) => [
      `put the ${target} in the bowl`,
      `place the ${target} into the bowl`,
      `drop the ${target} in the bowl`,
    ],
  },
  {
    name: 'stack',
    about: 'Stack one block on another.',
    heldOut: false,
    weight: 3,
    goals: BLOCKS.flatMap((target) =>
      BLOCKS.filter((other) => other !== target).map((other) => place(target, 'on', other)),
    ),
    variedGoals: MOVED.flatMap((target) =>
      CARRIERS.filter((other) => other !== target).map((other) => place(target, 'on', other)),
    ),
    phrasings: (goal) => {
      const other = 'destination' in goal ? goal.destination : '';
      return [
        `stack the ${goal.target} on the ${other}`,
        `put the ${goal.target} on top of the ${other}`,
        `place the ${goal.target} on the ${other}`,
      ];
    },
  },
  {
    name: 'beside',
    about: 'Put a block in front of, to the left or right of, or next to the plate or the bowl.',
    heldOut: false,
    weight: 5,
    goals: bySides(BLOCKS, ['plate', 'bowl']),
    variedGoals: bySides(MOVED, ['plate', 'bowl', ...BLOCKS]),
    phrasings: bySide,
  },
  {
    name: 'purple',
    about: 'Put the purple block, a new colour, on the plate.',
    heldOut: true,
    weight: 1,
    goals: [place('purple block', 'on', 'plate')],
    phrasings: onPlate,
  },
  {
    name: 'can',
    about: 'Lift the can, a new object.',
    heldOut: true,
    weight: 1,
    goals: [{ kind: 'lift', target: 'can' }],
    phrasings: lift,
  },
  {
    name: 'behind',
    about: 'Put a block behind the plate, a new relation.',
    heldOut: true,
    weight: 1,
    goals: BLOCKS.map((target) => place(target, 'behind', 'plate')),
    phrasings: bySide,
  },
];

const SO101_TASKS = ['reach', 'lift', 'bowl'];

/** What each robot at the table can be asked for. */
export function tasksOf(robot: RobotName): readonly Task[] {
  return robot === 'gripper' ? TASKS : TASKS.filter(({ name }) => SO101_TASKS.includes(name));
}

/**
 * How many of a lesson's episodes show each of its tasks: as many each, the first ones one more.
 * Fifteen of reach beside 35 of lift was worse for reach (docs/measurements.md).
 */
export function sharedOut(episodes: number, tasks: number): number[] {
  return Array.from({ length: tasks }, (_, task) => Math.ceil((episodes - task) / tasks));
}

export const TRAINED_TASKS = TASKS.filter(({ heldOut }) => !heldOut);

/** @throws ModelError `bad-input` listing the tasks there are */
export function taskNamed(name: string): Task {
  const found = TASKS.find((task) => task.name === name);
  if (found) return found;
  throw new ModelError(
    'bad-input',
    `There is no task "${name}".`,
    `Tasks are ${TASKS.map((task) => task.name).join(', ')}.`,
  );
}

/** A task of those that a robot can be asked for. @throws ModelError `bad-input` listing them */
export function taskOf(robot: RobotName, name: string): Task {
  const task = taskNamed(name);
  const tasks = tasksOf(robot);
  if (tasks.includes(task)) return task;
  throw new ModelError(
    'bad-input',
    `The ${robot} cannot be asked for "${name}".`,
    `Its tasks are ${tasks.map((one) => one.name).join(', ')}.`,
  );
}

const ASSIGNMENT = 11;

/** @param robot that it is laid for */
export function assignmentFor(task: Task, seed: number, robot: RobotName = 'gripper'): Assignment {
  return assign(task, seed, task.goals, BLOCKS, robot);
}

/** Likewise for pretraining: things of more kinds are moved, and lie about. */
export function variedAssignmentFor(task: Task, seed: number): Assignment {
  return assign(task, seed, task.variedGoals ?? task.goals, MOVED);
}

/** What `assignmentFor` asks for with this seed, without the work of laying the table. */
export function askedFor(task: Task, seed: number): { readonly goal: Goal; readonly instruction: string } {
  return ask(task, task.goals, randomOf(task, seed));
}

/** What of a task can be done with one thing on a table that is laid already. @param target the thing; null for any */
export function goalsOn({ objects }: Layout, task: Task, target: ObjectName | null): Goal[] {
  return task.goals.filter((goal) => (target ?? goal.target) === goal.target && suits(goal, objects));
}

const randomOf = (task: Task, seed: number) => new Random(seed, ASSIGNMENT, TASKS.indexOf(task));

function ask(task: Task, goals: readonly Goal[], random: Random) {
  const goal = goals[random.integer(goals.length)]!;
  const phrasings = task.phrasings(goal);
  return { goal, instruction: phrasings[random.integer(phrasings.length)]! };
}

function assign(
  task: Task,
  seed: number,
  goals: readonly Goal[],
  others: readonly ObjectName[],
  robot: RobotName = 'gripper',
): Assignment {
  const random = randomOf(task, seed);
  const asked = ask(task, goals, random);
  return { task, ...asked, layout: layoutFor(asked.goal, random, others, robot), seed };
}

const INSTRUCTIONS = new Map(
  TASKS.flatMap((task) =>
    [...task.goals, ...(task.variedGoals ?? [])].flatMap((goal) =>
      task.phrasings(goal).map((text) => [text, { task, goal }] as const),
    ),
  ),
);

/** Every instruction of every task. */
export const ALL_INSTRUCTIONS: readonly string[] = [...INSTRUCTIONS.keys()];

/** Lower case, without punctuation, one space between words: as the tasks' instructions are written. */
export function plainInstruction(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\s]/gu, ' ')
    .trim()
    .replaceAll(/\s+/g, ' ');
}

/** What a typed instruction asks for, where it is one of the tasks'; null where nothing can tell whether it is done. */
export function goalOf(instruction: string): { readonly task: Task; readonly goal: Goal } | null {
  return INSTRUCTIONS.get(plainInstruction(instruction)) ?? null;
}

/** An instruction as the policy gets it, and as it is recorded: a task's as it was trained, others as they were typed. */
export function canonicalInstruction(text: string): string {
  const plain = plainInstruction(text);
  return INSTRUCTIONS.has(plain) ? plain : text.trim();
}

/** One instruction per task that can be done with these objects. */
export function fittingInstructions(names: readonly ObjectName[], tasks = TASKS): string[] {
  return tasks.flatMap(({ goals, phrasings }) => {
    const goal = goals.find(
      (candidate) =>
        names.includes(candidate.target) &&
        (!('destination' in candidate) || names.includes(candidate.destination)),
    );
    return goal ? [phrasings(goal)[0]!] : [];
  });
}
