/** What an instruction asks for, and whether it is done: judged on the physics alone. */
import { BEHIND, PUSH_LINE } from './layout.ts';
import { BOWL, OBJECTS, PLATE, type ObjectName } from './objects.ts';
import type { PracticeTable } from './table.ts';

type Relation = 'on' | 'in' | 'behind';

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

/** Where the middle of the target belongs, metres. */
export function placeOf(
  table: PracticeTable,
  goal: Extract<Goal, { kind: 'place' }>,
): readonly [number, number, number] {
  const [x, y, z] = table.position(goal.destination);
  const half = OBJECTS[goal.target].restHeight;
  if (goal.relation === 'behind') return [x + BEHIND[0], y + BEHIND[1], half];
  if (goal.relation === 'in') return [x, y, z + 2 * BOWL.base + half];
  return [x, y, z + OBJECTS[goal.destination].restHeight + half];
}

/** Whether the gripper has let go of the object, or is nowhere near it. */
function released(table: PracticeTable, name: ObjectName): boolean {
  const [x, y, z] = table.position(name);
  const [gx, gy, gz] = table.position('gripper');
  const away = Math.hypot(x - gx, y - gy) > 0.06 || gz - z > 0.06;
  return away || table.opening > OBJECTS[name].width! / 2 + RELEASED;
}

/** True when the goal is reached at this moment; an episode succeeds when it holds for two actions in a row. */
export function achieved(table: PracticeTable, goal: Goal): boolean {
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
      const [px, py, pz] = placeOf(table, goal);
      const limit = {
        on: goal.destination === 'plate' ? PLATE.radius - 0.01 : 0.022,
        in: BOWL.radius - 0.01,
        behind: 0.035,
      }[goal.relation];
      return Math.hypot(x - px, y - py) < limit && Math.abs(z - pz) < 0.008 && released(table, goal.target);
    }
  }
}
