/** The scripted expert: from where things are to the next action. It remembers nothing, so every state has one answer. */
import { achieved, placeOf, type Goal } from './goal.ts';
import { FINGER_TRAVEL } from './mjcf.ts';
import { PUSH_LINE } from './layout.ts';
import { OBJECTS, type ObjectName, type Vector } from './objects.ts';
import type { World } from './world.ts';

const OPEN = 1;
const CLOSED = 0;
/** Heights of the tool centre point, metres: above everything, and when carrying. */
const TRAVEL_HEIGHT = 0.085;
const CARRY_HEIGHT = 0.1;
/** Below this it rises before it moves sideways. */
const CLEAR_HEIGHT = 0.062;
/** How well it is above something before it goes down, metres. */
const ALIGNED = 0.008;
/** Radians. */
const MISTURNED = 0.12;
/** Of the last distance, covered per action: the gripper lags a little. */
const GAIN = 0.9;

/**
 * The action, in the units of the robot's profile.
 * @param disturb what is done instead of a step of the tool [7] (see `World.toolAction`)
 */
export function expertAction(
  table: World,
  goal: Goal,
  disturb: (step: readonly number[]) => readonly number[] = (step) => step,
): number[] {
  return table.toolAction(disturb(expertStep(table, goal)), closingFor(table, goal));
}

/** Whichever side of a thing is nearest to how the hand closes already; a hand that holds it stays as it is. */
function closingFor(table: World, goal: Goal): number | null {
  if (goal.kind === 'reach' || goal.kind === 'push' || holding(table, goal.target)) return null;
  const [w, , , z] = table.pose(goal.target).quaternion;
  return 2 * Math.atan2(z, w);
}

/** Step of the tool [7]. */
function expertStep(table: World, goal: Goal): number[] {
  switch (goal.kind) {
    case 'reach':
      return reach(table, goal.target);
    case 'push':
      return push(table, goal.target, goal.side === 'left' ? -1 : 1);
    case 'lift': {
      if (!holding(table, goal.target)) return pick(table, goal.target);
      const [x, y] = table.position('gripper');
      return towards(table, [x, y, 0.15], CLOSED);
    }
    default: {
      if (achieved(table, goal) || dropped(table, goal)) return retreat(table, goal.target);
      return holding(table, goal.target) ? carry(table, goal) : pick(table, goal.target);
    }
  }
}

function reach(table: World, target: ObjectName): number[] {
  const [x, y, z] = table.position(target);
  return approach(table, [x, y, z + 0.038], OPEN);
}

function pick(table: World, target: ObjectName): number[] {
  const [x, y, z] = table.position(target);
  const [gx, gy, gz] = table.position('gripper');
  const away = Math.hypot(x - gx, y - gy);
  // It turns before it goes down.
  if (gz > z + 0.03 && table.misturned(closingFor(table, { kind: 'lift', target })) > MISTURNED)
    return approach(table, [x, y, TRAVEL_HEIGHT], OPEN);
  if (away < 0.011 && Math.abs(gz - z) < 0.01) return towards(table, [x, y, z], CLOSED);
  // Closed fingers would land on top of it.
  const open = table.opening > OBJECTS[target].width! / 2 + 0.006;
  if (!open && gz < z + 0.05) return towards(table, [gx, gy, z + 0.06], OPEN);
  return approach(table, [x, y, z], OPEN);
}

function carry(table: World, goal: Extract<Goal, { kind: 'place' }>): number[] {
  const [px, py, low] = placeOf(table, goal);
  const pz = low + dropOf(table, goal);
  const [ox, oy, oz] = table.position(goal.target);
  const [gx, gy, gz] = table.position('gripper');
  // What is held hangs a little off the middle: bring the object, not the gripper, to its place.
  const goalPoint: Vector = [px + gx - ox, py + gy - oy, pz + gz - oz + 0.003];
  const away = Math.hypot(px - ox, py - oy);
  if (away < 0.012 && oz - pz < 0.007) return towards(table, [gx, gy, gz], OPEN);
  return approach(table, goalPoint, CLOSED, CARRY_HEIGHT + (pz > 0.05 ? 0.03 : 0));
}

function dropOf(table: World, { relation }: Extract<Goal, { kind: 'place' }>): number {
  return relation === 'in' ? table.dropHeight : 0;
}

/** Let go at its place and not settled yet. */
function dropped(table: World, goal: Extract<Goal, { kind: 'place' }>): boolean {
  const [px, py, pz] = placeOf(table, goal);
  const [x, y, z] = table.position(goal.target);
  return (
    Math.hypot(px - x, py - y) < 0.016 &&
    Math.abs(z - pz) < 0.012 + dropOf(table, goal) &&
    table.opening > OBJECTS[goal.target].width! / 2 + 0.0015
  );
}

function retreat(table: World, target: ObjectName): number[] {
  const [gx, gy] = table.position('gripper');
  return towards(table, [gx, gy, table.position(target)[2] + 0.09], OPEN);
}

function push(table: World, target: ObjectName, side: -1 | 1): number[] {
  const [x, y, z] = table.position(target);
  const [gx, gy, gz] = table.position('gripper');
  if (side * y > PUSH_LINE + 0.01) return towards(table, [gx, gy, 0.11], CLOSED);
  const behind = side * (y - gy);
  const low = gz < 0.045;
  if (low && behind > 0.02 && Math.abs(x - gx) < 0.012) {
    const step = Math.max(0.012, Math.min(table.toolStep, PUSH_LINE + 0.02 - side * y));
    return towards(table, [x, gy + side * step, z], CLOSED);
  }
  return approach(table, [x, y - side * 0.045, z], CLOSED);
}

/**
 * To a point from above: sideways at a safe height, down when above it, and on the way as low as the distance allows.
 */
function approach(table: World, point: Vector, gripper: number, height = TRAVEL_HEIGHT): number[] {
  const [gx, gy, gz] = table.position('gripper');
  const away = Math.hypot(point[0] - gx, point[1] - gy);
  const over = smoothstep((away - ALIGNED) / 0.02);
  const z = Math.max(point[2], point[2] + (Math.max(height, point[2] + 0.045) - point[2]) * over);
  // Too low to go sideways without hitting something: rise first.
  const clear = Math.max(CLEAR_HEIGHT, height - 0.025);
  const sideways = away < 0.03 ? 1 : smoothstep((gz - (clear - 0.02)) / 0.02);
  return towards(table, [gx + (point[0] - gx) * sideways, gy + (point[1] - gy) * sideways, z], gripper);
}

/** Straight to a point, as fast as an action allows. */
function towards(table: World, point: Vector, gripper: number): number[] {
  const from = table.position('gripper');
  const delta = point.map((value, i) => (GAIN * (value - from[i]!)) / table.toolStep);
  const most = Math.max(1, ...delta.map(Math.abs));
  return [...delta.map((value) => value / most), 0, 0, 0, gripper];
}

/** Whether the fingers are closed on it. */
export function holding(table: World, target: ObjectName): boolean {
  const width = OBJECTS[target].width;
  if (width === null || table.opening > FINGER_TRAVEL - 0.002) return false;
  const [x, y, z] = table.position(target);
  const [gx, gy, gz] = table.position('gripper');
  return (
    Math.abs(x - gx) < 0.02 &&
    Math.abs(y - gy) < table.heldWithin &&
    Math.abs(z - gz) < 0.02 &&
    Math.abs(table.opening - width / 2) < 0.0035
  );
}

function smoothstep(t: number): number {
  const x = Math.min(1, Math.max(0, t));
  return x * x * (3 - 2 * x);
}
