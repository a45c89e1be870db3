/**
 * What a robot is to the policy, as data. The sizes are those of upstream's constants (prismatic/vla/constants.py);
 * names and units say what each dimension is.
 */
import * as v from 'valibot';

export interface Dimension {
  readonly name: string;
  readonly unit: string;
}

export interface RobotProfile {
  readonly name: string;
  /** Actions predicted per forward pass (NUM_ACTIONS_CHUNK). */
  readonly chunkSize: number;
  readonly actions: readonly Dimension[];
  /** The state vector; null where the policy takes no proprio. */
  readonly state: readonly Dimension[] | null;
  /** ACTION_PROPRIO_NORMALIZATION_TYPE: min/max, or the 1st and 99th percentile. */
  readonly normalization: 'bounds' | 'bounds_q99';
  readonly images: readonly { readonly name: string; readonly label: string }[];
  /** Control rate, Hz. */
  readonly controlHz: number;
}

const dimensions = (unit: string, ...names: string[]): Dimension[] => names.map((name) => ({ name, unit }));

const primary = { name: 'primary', label: 'Main camera' };
const wrist = { name: 'wrist', label: 'Wrist camera' };

/** Delta end-effector pose in the controller's scaled units (±1 is the controller's largest step), gripper −1…1. */
const endEffectorDelta = [
  ...dimensions('scaled', 'x', 'y', 'z', 'roll', 'pitch', 'yaw'),
  ...dimensions('open–close', 'gripper'),
];
const arm = (side: string) =>
  [
    ...dimensions('rad', 'waist', 'shoulder', 'elbow', 'forearm roll', 'wrist angle', 'wrist rotate'),
    ...dimensions('closed–open', 'gripper'),
  ].map(({ name, unit }) => ({ name: `${side} ${name}`, unit }));
const bimanual = [...arm('left'), ...arm('right')];

export const ROBOT_PROFILES: Readonly<Record<string, RobotProfile>> = {
  libero: {
    name: 'libero',
    chunkSize: 8,
    actions: endEffectorDelta,
    state: [
      ...dimensions('m', 'x', 'y', 'z'),
      ...dimensions('rad', 'axis-angle x', 'axis-angle y', 'axis-angle z'),
      ...dimensions('m', 'left finger', 'right finger'),
    ],
    normalization: 'bounds_q99',
    images: [primary, wrist],
    controlHz: 20,
  },
  aloha: {
    name: 'aloha',
    chunkSize: 25,
    actions: bimanual,
    state: bimanual,
    normalization: 'bounds',
    images: [
      primary,
      { name: 'left_wrist', label: 'Left wrist camera' },
      { name: 'right_wrist', label: 'Right wrist camera' },
    ],
    controlHz: 25,
  },
  /** VLA-Adapter's (its prismatic/vla/constants.py). */
  calvin: {
    name: 'calvin',
    chunkSize: 8,
    actions: endEffectorDelta,
    state: null,
    normalization: 'bounds_q99',
    images: [primary, wrist],
    controlHz: 30,
  },
  bridge: {
    name: 'bridge',
    chunkSize: 5,
    actions: [
      ...dimensions('m', 'x', 'y', 'z'),
      ...dimensions('rad', 'roll', 'pitch', 'yaw'),
      ...dimensions('closed–open', 'gripper'),
    ],
    state: [
      ...dimensions('m', 'x', 'y', 'z'),
      ...dimensions('rad', 'roll', 'pitch', 'yaw'),
      ...dimensions('closed–open', 'gripper'),
    ],
    normalization: 'bounds_q99',
    images: [primary],
    controlHz: 5,
  },
};

/** `count` dimensions: the profile's own where the number agrees, numbered ones otherwise. */
export function fitDimensions(
  known: readonly Dimension[] | null,
  count: number,
  prefix: string,
): readonly Dimension[] {
  if (known?.length === count) return known;
  return Array.from({ length: count }, (_, i) => ({ name: `${prefix} ${i}`, unit: '' }));
}

const dimension = v.object({ name: v.string(), unit: v.string() });

/** A profile as data: in packages, adapters and files of their own. */
export const profileSchema = v.object({
  name: v.string(),
  chunkSize: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)),
  actions: v.pipe(v.array(dimension), v.minLength(1), v.maxLength(1000)),
  state: v.nullable(v.pipe(v.array(dimension), v.minLength(1), v.maxLength(1000))),
  normalization: v.picklist(['bounds', 'bounds_q99']),
  images: v.pipe(v.array(v.object({ name: v.string(), label: v.string() })), v.minLength(1), v.maxLength(8)),
  controlHz: v.pipe(v.number(), v.minValue(0.01), v.maxValue(10_000)),
});
