/** What an instruction asks for, and whether it is done: judged on the physics alone. */
import { PUSH_LINE, spotsBy, type Side } from './layout.ts';
import { BOWL, OBJECTS, PLATE, type ObjectName, type Vector } from './objects.ts';
import type { World } from './world.ts';

type Relation = 'on' | 'in' | Side;

export type Goal =
  | { readonly kind: 'reach' | 'lift'; readonly target: ObjectName }
  | { readonly kind: 'push'; readonly target: ObjectName; readonly side: 'left' | 'right' }
  | {
      readonly kind: 'place';
      readonly target: ObjectName;
      readonly relation: Relation;
      readonly destination: ObjectName;
    };

/** Height of the object's middle above the table from which it counts as lifted, metres. */
const LIFTED = 0.08;
/** The gripper lets go: one finger's distance beyond the object's side. */
const RELEASED = 0.004;

type PlaceGoal = Extract<Goal, { kind: 'place' }>;

/** Where the middle of the target belongs, metres. Where several places will do: the one to choose. */
export function placeOf(table: World, goal: PlaceGoal): Vector {
  return placesOf(table, goal)[0];
}

function placesOf(table: World, { relation, target, destination }: PlaceGoal): [Vector, ...Vector[]] {
  const [x, y, z] = table.position(destination);
  const half = OBJECTS[target].restHeight;
  if (relation === 'in') return [[x, y, z + 2 * BOWL.base + half]];
  if (relation === 'on') return [[x, y, z + OBJECTS[destination].restHeight + half]];
  const [[px, py], ...others] = spotsBy(relation, [x, y]);
  return [[px, py, half], ...others.map(([ox, oy]): Vector => [ox, oy, half])];
}

/** How far from its place the target may lie, metres. */
function nearEnough({ relation, destination }: PlaceGoal): number {
  if (relation === 'in') return BOWL.radius - 0.01;
  if (relation !== 'on') return 0.035;
  return destination === 'plate' ? PLATE.radius - 0.01 : 0.022;
}

/** Whether the gripper has let go of the object, or is nowhere near it. */
function released(table: World, name: ObjectName): boolean {
  const [x, y, z] = table.position(name);
  const [gx, gy, gz] = table.position('gripper');
  const away = Math.hypot(x - gx, y - gy) > 0.06 || gz - z > 0.06;
  return away || table.opening > OBJECTS[name].width! / 2 + RELEASED;
}

/** True when the goal is reached at this moment; an episode succeeds when it holds for two actions in a row. */
export function achieved(table: World, goal: Goal): boolean {
  const [x, y, z] = table.position(goal.target);
  switch (goal.kind) {
    case 'reach': {
      const [gx, gy, gz] = table.position('gripper');
      return Math.hypot(gx - x, gy - y) < 0.02 && gz - z < 0.055;
    }
    case 'lift':
      return z > LIFTED;
    case 'push':
      return (goal.side === 'left' ? -y : y) > PUSH_LINE && z < 0.06;
    default: {
      const limit = nearEnough(goal);
      const there = placesOf(table, goal).some(
        ([px, py, pz]) => Math.hypot(x - px, y - py) < limit && Math.abs(z - pz) < 0.008,
      );
      return there && released(table, goal.target);
    }
  }
}
