/** Where things lie at the start of an episode: a function of the goal and a seed. */
import { ModelError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { Goal } from './goal.ts';
import { OBJECTS, type ObjectName } from './objects.ts';
import type { RobotName } from './world.ts';

export interface Placed {
  readonly name: ObjectName;
  /** x, y of its middle on the table, metres. */
  readonly position: readonly [number, number];
  /** About the vertical, radians. */
  readonly yaw: number;
}

export interface Layout {
  readonly objects: readonly Placed[];
  /** Tool centre point, metres. */
  readonly gripper: readonly [number, number, number];
}

/** Where a robot can work. */
interface Space {
  /** Middles of objects lie in here, metres. */
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Blocks (or what is picked up in their stead) on a table. */
  readonly movables: number;
  /** That a plate or a bowl lies there which is not asked for. */
  readonly containerChance: number;
  /** Where the tool centre point begins, metres. */
  readonly tool: readonly [Range, Range, Range];
}

type Range = readonly [number, number];

const AREA = { x: 0.12, y: 0.16 } as const;
const SPACES: Readonly<Record<RobotName, Space>> = {
  gripper: {
    x: [-AREA.x, AREA.x],
    y: [-AREA.y, AREA.y],
    movables: 3,
    containerChance: 0.6,
    tool: [
      [-0.1, 0.1],
      [-0.14, 0.14],
      [0.1, 0.2],
    ],
  },
  // The arm reaches from 0.15 to 0.28 m before its base (so101/kinematics.ts): less room, fewer things.
  so101: {
    x: [-0.055, 0.045],
    y: [-0.12, 0.12],
    movables: 2,
    containerChance: 0,
    tool: [
      [-0.05, 0.03],
      [-0.08, 0.08],
      [0.1, 0.14],
    ],
  },
};
/** Least room between the edges of two objects: a finger fits in. */
const GAP = 0.025;
/** Room beside a pushed block and behind it. */
const LANE = 0.012;
const RUN_UP = 0.07;
/** From the middle of a thing to the middle of what is put by its side, metres. */
const APART = 0.1;
/** How far beyond the area for things something may be put, metres. */
const MARGIN = 0.02;
/** A block counts as pushed beyond this line on either side, metres. */
export const PUSH_LINE = 0.145;

/**
 * @param others what lies beside the goal's objects is drawn from these
 * @throws ModelError `bad-input` if the objects do not fit, which no goal of ours leads to
 */
export function layoutFor(
  goal: Goal,
  random: Random,
  others: readonly ObjectName[],
  robot: RobotName = 'gripper',
): Layout {
  const space = SPACES[robot];
  for (let attempt = 0; attempt < 2000; attempt++) {
    const objects = placed(objectsFor(goal, random, others, space), random, space);
    if (!objects || !suits(goal, objects)) continue;
    return {
      objects,
      gripper: [
        between(random, space.tool[0]),
        between(random, space.tool[1]),
        between(random, space.tool[2]),
      ],
    };
  }
  throw new ModelError(
    'bad-input',
    'The objects of this task do not fit on the table.',
    'Use fewer objects.',
  );
}

function objectsFor(
  goal: Goal,
  random: Random,
  others: readonly ObjectName[],
  { movables, containerChance }: Space,
): ObjectName[] {
  const names = new Set<ObjectName>([goal.target, ...('destination' in goal ? [goal.destination] : [])]);
  const movable = () => [...names].filter((name) => OBJECTS[name].width !== null).length;
  while (movable() < movables) names.add(others[random.integer(others.length)]!);
  for (const name of ['plate', 'bowl'] as const) if (random.uniform() < containerChance) names.add(name);
  // The largest first, as they are the hardest to place.
  return [...names].toSorted((a, b) => OBJECTS[b].radius - OBJECTS[a].radius);
}

function placed(names: readonly ObjectName[], random: Random, { x, y }: Space): Placed[] | null {
  const objects: Placed[] = [];
  for (const name of names) {
    const free = Array.from({ length: 20 }, (): Placed => ({
      name,
      position: [between(random, x), between(random, y)],
      yaw: OBJECTS[name].width === null ? 0 : between(random, [-0.25, 0.25]),
    })).find((candidate) =>
      objects.every(
        (other) => distance(candidate, other) >= OBJECTS[name].radius + OBJECTS[other.name].radius + GAP,
      ),
    );
    if (!free) return null;
    objects.push(free);
  }
  return objects;
}

/** Whether the goal's things are there, it can be reached from here, and is not reached yet. */
export function suits(goal: Goal, objects: readonly Placed[]): boolean {
  const target = objects.find(({ name }) => name === goal.target);
  const destination =
    'destination' in goal ? objects.find(({ name }) => name === goal.destination) : undefined;
  if (!target || ('destination' in goal && !destination)) return false;
  const others = objects.filter((object) => object !== target);
  if (goal.kind === 'push') {
    const side = goal.side === 'left' ? -1 : 1;
    if (side * target.position[1] > 0.06) return false;
    return others.every(({ name, position: [x, y] }) => {
      const { radius } = OBJECTS[name];
      const across = Math.abs(x - target.position[0]);
      const along = side * (y - target.position[1]);
      return across > radius + OBJECTS[target.name].radius + LANE || along < -(RUN_UP + radius);
    });
  }
  if (goal.kind === 'place' && destination && goal.relation !== 'on' && goal.relation !== 'in') {
    const spots = spotsBy(goal.relation, destination.position);
    const [wanted] = spots;
    if (Math.abs(wanted[0]) > AREA.x + MARGIN || Math.abs(wanted[1]) > AREA.y + MARGIN) return false;
    return objects.every(
      ({ name, position: [x, y] }) =>
        name === destination.name ||
        spots.every((spot) => Math.hypot(x - spot[0], y - spot[1]) > OBJECTS[name].radius + 0.028 + GAP),
    );
  }
  return true;
}

/** By the side of a thing, as someone in front of the table sees it: away from them is −x, to their right +y. */
export type Side = 'behind' | 'in front of' | 'left of' | 'right of' | 'beside';

/**
 * Where something put at that side of a thing belongs, metres; "beside" is to its left or its right.
 * @returns x, y; the one nearest the middle of the table first
 */
export function spotsBy(
  side: Side,
  [x, y]: readonly [number, number],
): readonly [readonly [number, number], ...(readonly [number, number])[]] {
  switch (side) {
    case 'behind':
      return [[x - APART, y]];
    case 'in front of':
      return [[x + APART, y]];
    case 'left of':
      return [[x, y - APART]];
    case 'right of':
      return [[x, y + APART]];
    default: {
      const inwards = y > 0 ? -APART : APART;
      return [
        [x, y + inwards],
        [x, y - inwards],
      ];
    }
  }
}

function distance(a: Placed, b: Placed): number {
  return Math.hypot(a.position[0] - b.position[0], a.position[1] - b.position[1]);
}

function between(random: Random, [low, high]: Range): number {
  return low + (high - low) * random.uniform();
}
