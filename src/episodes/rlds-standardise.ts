/**
 * What openvla-oft makes of datasets it knows by name before it trains on them (prismatic/vla/datasets/rlds/oxe/{configs, transforms}.py):
 * values in float32, as there.
 */
import { ALOHA_JOINTS, EEF_ACTION } from './dimension-names.ts';
import { binarize, clipAndInvert } from './gripper.ts';

export interface StandardEpisode {
  readonly action: Float32Array;
  readonly state: Float32Array;
}

export interface Standardisation {
  /** Upstream's name of the dataset, or of the family. */
  readonly name: string;
  readonly does: string;
  /** Features below `steps/` that it takes, with the sizes they need. */
  readonly takes: Readonly<Record<string, number>>;
  readonly action: string;
  readonly state: readonly string[];
  /** Upstream's image_obs_keys: primary, secondary, wrist. */
  readonly cameras: readonly string[];
  readonly actionNames: readonly string[];
  readonly stateNames: readonly string[];
  /** Hz. Upstream's control frequency: TFDS stores none. */
  readonly fps: number;
  /** Steps left out at the start and the end of every episode. */
  readonly skipped: { readonly first: number; readonly last: number };
  /** @param of each of `takes`, [steps, size], all steps */
  apply(of: (key: string) => Float32Array, steps: number): StandardEpisode;
}

const POSE = ['x', 'y', 'z', 'roll', 'pitch', 'yaw'];

const LIBERO: Standardisation = {
  name: 'libero',
  does:
    'The gripper of the action, recorded as −1 open and 1 closed, becomes 1 open and 0 closed (clipped to 0…1, then 1 − x). ' +
    'The state is the pose (6) and the two fingers (the last 2).',
  takes: { action: 7, 'observation/state': 8 },
  action: 'action',
  state: ['observation/state'],
  cameras: ['image', 'wrist_image'],
  actionNames: EEF_ACTION,
  stateNames: [...POSE, 'left finger', 'right finger'],
  fps: 20,
  skipped: { first: 0, last: 0 },
  apply: (of) => ({ action: clipAndInvert(of('action'), 7, 6), state: of('observation/state') }),
};

/** The pose a step later, minus the pose: what the arm really did. */
const BRIDGE: Standardisation = {
  name: 'bridge_orig',
  does:
    'The first step is left out, and the last; the first six values of the action become the difference to the next pose ' +
    '(relabelled); the gripper becomes 1 open or 0 closed. The state is the pose (6) and the gripper.',
  takes: { action: 7, 'observation/state': 7 },
  action: 'action',
  state: ['observation/state'],
  cameras: ['image_0', 'image_1'],
  actionNames: EEF_ACTION,
  stateNames: [...POSE, 'gripper'],
  fps: 5,
  skipped: { first: 1, last: 1 },
  apply: (of, steps) => {
    const recorded = of('action');
    const states = of('observation/state');
    const length = Math.max(0, steps - 2);
    const gripper = binarize(
      Float32Array.from({ length: Math.max(0, steps - 1) }, (_, i) => recorded[7 * (i + 1) + 6]!),
    );
    const action = new Float32Array(7 * length);
    for (let i = 0; i < length; i++) {
      const now = 7 * (i + 1);
      for (let j = 0; j < 6; j++) action[7 * i + j] = states[now + 7 + j]! - states[now + j]!;
      action[7 * i + 6] = gripper[i]!;
    }
    return { action, state: states.slice(7, 7 * (1 + length)) };
  },
};

const ALOHA: Standardisation = {
  name: 'aloha',
  does: 'Nothing is changed: joint angles of both arms, as recorded.',
  takes: { action: 14, 'observation/state': 14 },
  action: 'action',
  state: ['observation/state'],
  cameras: ['image', 'left_wrist_image', 'right_wrist_image'],
  actionNames: ALOHA_JOINTS,
  stateNames: ALOHA_JOINTS,
  fps: 25,
  skipped: { first: 0, last: 0 },
  apply: (of) => ({ action: of('action'), state: of('observation/state') }),
};

const VELOCITY = 'action_dict/cartesian_velocity';
const GRIPPER = 'action_dict/gripper_position';

const DROID: Standardisation = {
  name: 'droid',
  does:
    'The action is the Cartesian velocity (6) and 1 − the gripper position; the state is the Cartesian position (6) and the gripper. ' +
    'Upstream also swaps the two outside cameras at random, and leaves out stretches without motion: neither is done here.',
  takes: {
    [VELOCITY]: 6,
    [GRIPPER]: 1,
    'observation/cartesian_position': 6,
    'observation/gripper_position': 1,
  },
  action: VELOCITY,
  state: ['observation/cartesian_position', 'observation/gripper_position'],
  cameras: ['exterior_image_1_left', 'exterior_image_2_left', 'wrist_image_left'],
  actionNames: EEF_ACTION,
  stateNames: [...POSE, 'gripper'],
  fps: 15,
  skipped: { first: 0, last: 0 },
  apply: (of, steps) => {
    const open = of(GRIPPER);
    return {
      action: beside(
        of(VELOCITY),
        open.map((x) => 1 - x),
        steps,
      ),
      state: beside(of('observation/cartesian_position'), of('observation/gripper_position'), steps),
    };
  },
};

/** Six values and one, a step. */
function beside(six: Float32Array, one: Float32Array, steps: number): Float32Array {
  const out = new Float32Array(7 * steps);
  for (let i = 0; i < steps; i++) {
    out.set(six.subarray(6 * i, 6 * i + 6), 7 * i);
    out[7 * i + 6] = one[i]!;
  }
  return out;
}

/** By upstream's names; Bridge is downloaded as `bridge_dataset`, and renamed. */
const KNOWN: readonly [RegExp, Standardisation][] = [
  [/^libero_/, LIBERO],
  [/^bridge_(orig|dataset)$/, BRIDGE],
  [/^aloha/, ALOHA],
  [/^droid(_100)?$/, DROID],
];

/**
 * @param names of the folder and of the dataset
 * @param sizeOf a feature below `steps/`; a dataset that only has the name is left as it is
 */
export function standardisationOf(
  names: readonly string[],
  sizeOf: (key: string) => number | null,
): Standardisation | null {
  for (const [pattern, standard] of KNOWN) {
    if (!names.some((name) => pattern.test(name))) continue;
    if (Object.entries(standard.takes).every(([key, size]) => sizeOf(key) === size)) return standard;
  }
  return null;
}
