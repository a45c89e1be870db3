/** Where the SO-101's hand is for given joints, and which joints bring it somewhere. */
import type { Vector } from '../objects.ts';
import { LINKS, TIP, type Quaternion } from './figures.ts';

/** Where its base stands on the table, metres: behind what is to be picked up, facing the viewer. */
export const BASE: Vector = [-0.24, 0, 0];
/**
 * In the hand's frame, what is brought to a thing's middle: half a block and a centimetre from the jaw that does not move. With less, a hand
 * that is off by as little comes down on the block.
 */
export const GRASP: Vector = [TIP[0] + 0.03, TIP[1], TIP[2] + 0.008];

/** A frame as a matrix [3][4], rows one after the other. */
export type Frame = readonly number[];

function frameOf(position: Vector, [w, x, y, z]: Quaternion): Frame {
  return [
    1 - 2 * (y * y + z * z),
    2 * (x * y - w * z),
    2 * (x * z + w * y),
    position[0],
    2 * (x * y + w * z),
    1 - 2 * (x * x + z * z),
    2 * (y * z - w * x),
    position[1],
    2 * (x * z - w * y),
    2 * (y * z + w * x),
    1 - 2 * (x * x + y * y),
    position[2],
  ];
}

function times(a: Frame, b: Frame): Frame {
  const out: number[] = [];
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 4; j++) {
      let sum = j === 3 ? a[4 * i + 3]! : 0;
      for (let k = 0; k < 3; k++) sum += a[4 * i + k]! * b[4 * k + j]!;
      out.push(sum);
    }
  }
  return out;
}

/** A point of a frame, in the frame that it is in. */
export function pointOf(frame: Frame, [x, y, z]: Vector): Vector {
  const row = (i: number) =>
    frame[4 * i]! * x + frame[4 * i + 1]! * y + frame[4 * i + 2]! * z + frame[4 * i + 3]!;
  return [row(0), row(1), row(2)];
}

const FRAMES = LINKS.map(({ position, quaternion }) => frameOf(position, quaternion));
/** Links up to the hand; the jaw moves nothing else. */
const ARM_JOINTS = 5;
const ROLL = 4;

/** The hand's frame on the table. @param angles of the first five joints, radians */
export function handFrame(angles: ArrayLike<number>): Frame {
  let frame: Frame = frameOf(BASE, [1, 0, 0, 0]);
  for (let i = 0; i < ARM_JOINTS; i++) {
    const angle = angles[i]!;
    frame = times(
      times(frame, FRAMES[i]!),
      frameOf([0, 0, 0], [Math.cos(angle / 2), 0, 0, Math.sin(angle / 2)]),
    );
  }
  return frame;
}

export interface HandPose {
  /** Where the middle of what is held is, metres. */
  readonly point: Vector;
  /** How far the hand leans outwards from pointing straight down, radians. */
  readonly lean: number;
  /** Direction in which it closes, about the vertical, radians; any of its half turns. */
  readonly closing: number;
}

/** What is weighed against metres: radians of lean and of closing. */
const TURN_WEIGHT = 0.06;
const DAMPING = 1e-6;
const ROUNDS = 60;
const EXACT = 1e-5;

/** Half turns of the hand are the same to what it holds. */
function turnBetween(a: number, b: number): number {
  const turn = (a - b) % Math.PI;
  return turn > Math.PI / 2 ? turn - Math.PI : turn < -Math.PI / 2 ? turn + Math.PI : turn;
}

/** The pose of the hand for given joints. */
export function poseOf(angles: ArrayLike<number>): HandPose {
  const frame = handFrame(angles);
  // It points along its −z.
  const [px, py, pz] = [-frame[2]!, -frame[6]!, -frame[10]!];
  const pan = angles[0]!;
  // Joints of the model turn the arm to the right for positive angles.
  const outwards = px * Math.cos(-pan) + py * Math.sin(-pan);
  return {
    point: pointOf(frame, GRASP),
    lean: Math.atan2(outwards, -pz),
    closing: Math.atan2(frame[4]!, frame[0]!),
  };
}

function allErrors(angles: readonly number[], wanted: HandPose): number[] {
  const { point, lean, closing } = poseOf(angles);
  return [
    wanted.point[0] - point[0],
    wanted.point[1] - point[1],
    wanted.point[2] - point[2],
    TURN_WEIGHT * (wanted.lean - lean),
    TURN_WEIGHT * turnBetween(wanted.closing, closing),
  ];
}

/**
 * Joints [5] that bring the hand there, within their ranges: damped least squares from `start`.
 * @param keepRoll leaves the wrist's roll as it is, wherever that makes it close
 * @returns the joints, and how far the point is missed, metres
 */
export function solve(
  wanted: HandPose,
  start: ArrayLike<number>,
  keepRoll = false,
): { angles: number[]; missed: number } {
  const errorsOf = (at: readonly number[]) =>
    keepRoll ? allErrors(at, wanted).slice(0, 4) : allErrors(at, wanted);
  let angles = Array.from({ length: ARM_JOINTS }, (_, i) => start[i]!);
  let errors = errorsOf(angles);
  for (let round = 0; round < ROUNDS && Math.hypot(...errors) > EXACT; round++) {
    const columns = angles.map((_, joint) => {
      if (keepRoll && joint === ROLL) return errors.map(() => 0);
      const moved = angles.map((angle, i) => (i === joint ? angle + 1e-5 : angle));
      return errorsOf(moved).map((error, i) => (errors[i]! - error) / 1e-5);
    });
    const step = leastSquares(columns, errors);
    const longest = Math.max(...step.map(Math.abs));
    const share = longest > 0.3 ? 0.3 / longest : 1;
    angles = angles.map((angle, i) => {
      const [low, high] = LINKS[i]!.range;
      return Math.min(high, Math.max(low, angle + share * step[i]!));
    });
    errors = errorsOf(angles);
  }
  return { angles, missed: Math.hypot(errors[0]!, errors[1]!, errors[2]!) };
}

/** x of (JᵀJ + λ) x = Jᵀe. @param columns of J */
function leastSquares(columns: readonly (readonly number[])[], errors: readonly number[]): number[] {
  const rows = columns.map((column, i) => [
    ...columns.map((other, j) => dot(column, other) + (i === j ? DAMPING : 0)),
    dot(column, errors),
  ]);
  const size = rows.length;
  for (let i = 0; i < size; i++) {
    // Symmetric and positive: no pivoting is needed.
    for (let k = i + 1; k < size; k++) {
      const factor = rows[k]![i]! / rows[i]![i]!;
      for (let j = i; j <= size; j++) rows[k]![j]! -= factor * rows[i]![j]!;
    }
  }
  const solution = Array.from({ length: size }, () => 0);
  for (let i = size - 1; i >= 0; i--) {
    let sum = rows[i]![size]!;
    for (let j = i + 1; j < size; j++) sum -= rows[i]![j]! * solution[j]!;
    solution[i] = sum / rows[i]![i]!;
  }
  return solution;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
