/**
 * What can lie on the table, as shapes: the physics (`mjcf.ts`) and the drawing (`view.ts`) are made from the same list.
 * Lengths are metres, masses kilograms, colours sRGB.
 */
export type Vector = readonly [number, number, number];

export interface Geom {
  readonly type: 'box' | 'cylinder';
  /** Half lengths of a box; radius and half length of a cylinder. */
  readonly size: readonly number[];
  /** Relative to the body. */
  readonly position: Vector;
  /** About the vertical, radians. */
  readonly yaw?: number;
  readonly color: number;
}

export interface ObjectKind {
  readonly geoms: readonly Geom[];
  readonly mass: number;
  /** Height of the body's origin when it stands on the table. */
  readonly restHeight: number;
  /** Of the circle that it covers on the table. */
  readonly radius: number;
  /** What the gripper closes on; null where it cannot be picked up. */
  readonly width: number | null;
}

/** Half the edge of a block. */
const BLOCK = 0.02;
export const PLATE = { radius: 0.055, halfHeight: 0.005 } as const;
export const BOWL = { radius: 0.05, base: 0.004, wall: 0.004, halfHeight: 0.014, sides: 10 } as const;

const COLORS = {
  red: 0xd8362c,
  green: 0x2f9e44,
  blue: 0x2b5fd9,
  yellow: 0xf2c218,
  purple: 0x8e3fc4,
  orange: 0xe8791c,
  white: 0xf1efe9,
  pink: 0xee8fb4,
  brown: 0x7a4a26,
  black: 0x26282b,
} as const;

function box(color: number, half: Vector): ObjectKind {
  return {
    geoms: [{ type: 'box', size: half, position: [0, 0, 0], color }],
    mass: 0.05,
    restHeight: half[2],
    radius: Math.hypot(half[0], half[1]),
    width: 2 * half[1],
  };
}

const block = (color: number) => box(color, [BLOCK, BLOCK, BLOCK]);

function plate(): ObjectKind {
  const { radius, halfHeight } = PLATE;
  return {
    geoms: [{ type: 'cylinder', size: [radius, halfHeight], position: [0, 0, 0], color: 0xf4f1ea }],
    mass: 0.4,
    restHeight: halfHeight,
    radius,
    width: null,
  };
}

function bowl(): ObjectKind {
  const { radius, base, wall, halfHeight, sides } = BOWL;
  const color = 0x3f7f86;
  const walls = Array.from({ length: sides }, (_, i): Geom => {
    const angle = (2 * Math.PI * i) / sides;
    const half = (radius + wall) * Math.tan(Math.PI / sides);
    return {
      type: 'box',
      size: [wall, half, halfHeight],
      // Only the base touches the table: each touching wall would cost the physics four contacts.
      position: [radius * Math.cos(angle), radius * Math.sin(angle), halfHeight + 0.002],
      yaw: angle,
      color,
    };
  });
  return {
    geoms: [{ type: 'cylinder', size: [radius, base], position: [0, 0, base], color: 0x2f646a }, ...walls],
    mass: 0.4,
    restHeight: 0,
    radius: radius + wall,
    width: null,
  };
}

function cylinder(color: number, radius: number, halfHeight: number): ObjectKind {
  return {
    geoms: [{ type: 'cylinder', size: [radius, halfHeight], position: [0, 0, 0], color }],
    mass: 0.05,
    restHeight: halfHeight,
    radius,
    width: 2 * radius,
  };
}

/** A body with a thing on top of it that nobody grasps. */
function topped(body: ObjectKind, top: Omit<Geom, 'position'>): ObjectKind {
  return { ...body, geoms: [...body.geoms, { ...top, position: [0, 0, body.restHeight] }] };
}

/** By the name that instructions use. */
export const OBJECTS = {
  'red block': block(COLORS.red),
  'green block': block(COLORS.green),
  'blue block': block(COLORS.blue),
  'yellow block': block(COLORS.yellow),
  'purple block': block(COLORS.purple),
  can: topped(cylinder(0xf07f13, 0.018, 0.026), {
    type: 'cylinder',
    size: [0.0144, 0.001],
    color: 0xc9ced3,
  }),
  plate: plate(),
  bowl: bowl(),
  // Only pretraining meets these: what is to be taught new things has to have seen variety.
  'white block': block(COLORS.white),
  'orange block': block(COLORS.orange),
  'pink block': block(COLORS.pink),
  'brown block': block(COLORS.brown),
  'black block': block(COLORS.black),
  'red cylinder': cylinder(COLORS.red, 0.018, 0.022),
  'green cylinder': cylinder(COLORS.green, 0.016, 0.028),
  'blue cylinder': cylinder(COLORS.blue, 0.02, 0.02),
  'white cylinder': cylinder(COLORS.white, 0.018, 0.026),
  'pink cylinder': cylinder(COLORS.pink, 0.017, 0.024),
  // Named by one word, which says neither colour nor shape.
  box: box(0xc29a62, [0.022, 0.017, 0.018]),
  tower: box(0xe3d9b8, [0.015, 0.015, 0.029]),
  tin: topped(cylinder(0x9aa2aa, 0.02, 0.018), { type: 'cylinder', size: [0.012, 0.001], color: 0x5b636b }),
  cup: topped(cylinder(0x35b0a0, 0.019, 0.022), { type: 'cylinder', size: [0.015, 0.001], color: 0x1c4f49 }),
  mug: {
    ...cylinder(0x7d2440, 0.018, 0.02),
    geoms: [
      { type: 'cylinder', size: [0.018, 0.02], position: [0, 0, 0], color: 0x7d2440 },
      { type: 'box', size: [0.006, 0.004, 0.012], position: [0.022, 0, 0], color: 0x7d2440 },
    ],
    radius: 0.028,
  },
  bottle: topped(cylinder(0x1d5a3c, 0.015, 0.025), {
    type: 'cylinder',
    size: [0.007, 0.006],
    color: COLORS.white,
  }),
  pot: topped(cylinder(0x33363a, 0.02, 0.017), { type: 'cylinder', size: [0.016, 0.002], color: 0xb9bec4 }),
  toy: topped(box(0x3b7fd0, [0.018, 0.018, 0.014]), {
    type: 'box',
    size: [0.013, 0.013, 0.01],
    color: 0xf39ac0,
  }),
} as const satisfies Record<string, ObjectKind>;

export type ObjectName = keyof typeof OBJECTS;

export const OBJECT_NAMES = Object.keys(OBJECTS) as ObjectName[];
