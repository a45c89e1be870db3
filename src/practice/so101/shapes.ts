/** What the SO-101's links look like and touch with: simple shapes of our own, in each link's frame. */
import type { Geom, Vector } from '../objects.ts';
import { LINKS, TIP, type Quaternion } from './figures.ts';

export interface Shape extends Omit<Geom, 'yaw' | 'type'> {
  readonly type: 'box';
  /** Default: as the link. */
  readonly quaternion?: Quaternion;
  /** Pads are what things are held with; others are looked at only. */
  readonly pad?: boolean;
}

const PLASTIC = 0xf0b323;
const SERVO = 0x2a2d31;
const PAD = 0x3d4148;

const aboutZ = (angle: number): Quaternion => [Math.cos(angle / 2), 0, 0, Math.sin(angle / 2)];
const box = (position: Vector, size: Vector, color: number, more: Partial<Shape> = {}): Shape => ({
  type: 'box',
  position,
  size,
  color,
  ...more,
});

/** The jaw's faces are parallel at this opening from closed, radians: with a block between them. */
const PARALLEL = 0.47;
const PAD_HALF: Vector = [0.004, 0.024, 0.009];

const jaw = LINKS.at(-1)!;
const CLOSED = jaw.range[0];

/** A vector of the hand's x–z plane, turned as the jaw is. */
const turned = ([x, z]: readonly [number, number], angle: number): [number, number] => [
  x * Math.cos(angle) - z * Math.sin(angle),
  x * Math.sin(angle) + z * Math.cos(angle),
];

/** The jaw's tip from its hinge when it is closed, in the hand's x–z plane. */
const CLOSED_TIP: readonly [number, number] = [TIP[0] - jaw.position[0], TIP[2] - jaw.position[2]];
/** With parallel faces. */
const PARALLEL_TIP = turned(CLOSED_TIP, PARALLEL);

/** The jaw's frame has the hand's x, its z as y, and its −y as z. */
function inJaw([x, z]: readonly [number, number]): Vector {
  const [px, py] = turned([x, z], -(CLOSED + PARALLEL));
  return [px, py, jaw.position[1]];
}

/** Half the way between the faces at the height of what is held, metres. @param angle of the jaw's joint, radians */
export function openingAt(angle: number): number {
  const face: readonly [number, number] = [PARALLEL_TIP[0], PARALLEL_TIP[1] + 0.0126];
  const [x] = turned(face, angle - CLOSED - PARALLEL);
  return Math.max(0, (x + jaw.position[0] - TIP[0]) / 2);
}

/** By body. */
export const SHAPES: Readonly<Record<string, readonly Shape[]>> = {
  base: [
    box([0.012, 0, 0.026], [0.05, 0.036, 0.026], PLASTIC),
    box([0.026, 0, 0.045], [0.014, 0.022, 0.02], SERVO),
    box([-0.034, 0, 0.055], [0.006, 0.03, 0.012], PLASTIC),
  ],
  shoulder: [
    box([-0.022, 0, -0.014], [0.03, 0.024, 0.012], PLASTIC),
    box([-0.03, 0, -0.045], [0.013, 0.023, 0.021], SERVO),
  ],
  'upper arm': [
    box([-0.056, -0.012, 0.018], [0.062, 0.012, 0.022], PLASTIC),
    box([-0.113, -0.016, 0.018], [0.02, 0.013, 0.024], SERVO),
  ],
  'lower arm': [
    box([-0.062, 0, 0.018], [0.062, 0.012, 0.021], PLASTIC),
    box([-0.122, 0.005, 0.018], [0.021, 0.013, 0.024], SERVO),
  ],
  wrist: [
    box([0, -0.024, 0.018], [0.014, 0.022, 0.022], PLASTIC),
    box([0, -0.045, 0.018], [0.012, 0.016, 0.018], SERVO),
  ],
  hand: [
    box([0.008, 0, -0.022], [0.019, 0.024, 0.02], SERVO),
    box([-0.012, 0, -0.032], [0.004, 0.022, 0.03], PLASTIC),
    box(
      [TIP[0] - PAD_HALF[0], 0, PARALLEL_TIP[1] + jaw.position[2] + 0.028],
      [PAD_HALF[0], PAD_HALF[2], 0.028],
      PAD,
      {
        pad: true,
      },
    ),
  ],
  jaw: [
    box(inJaw([0.006, -0.02]), [0.006, 0.02, 0.012], PLASTIC, { quaternion: aboutZ(-(CLOSED + PARALLEL)) }),
    box(inJaw([PARALLEL_TIP[0] + PAD_HALF[0], PARALLEL_TIP[1] + PAD_HALF[1]]), PAD_HALF, PAD, {
      quaternion: aboutZ(-(CLOSED + PARALLEL)),
      pad: true,
    }),
  ],
};
