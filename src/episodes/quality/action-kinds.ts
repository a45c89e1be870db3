/** What actions mean, told from what the state does after them: a target that it reaches, or a step that it takes. */
import type { Field, Fields, Motion } from './columns.ts';
import { short, type Finding } from './finding.ts';

export interface ActionKind {
  readonly action: string;
  /** The dimension of the state that it moves. */
  readonly state: string;
  /**
   * `absolute`: the next state follows the action itself. `delta`: the change of the state does. `unclear`: neither does, or both do
   * equally.
   */
  readonly kind: 'absolute' | 'delta' | 'unclear';
  /** Correlation of the action with the next state, and with its change. */
  readonly correlation: { readonly absolute: number; readonly delta: number };
  /** Change of the (change of the) state per unit of the action, by the kind; 1 where both have one unit. */
  readonly slope: number;
}

/** Fewer steps that move tell nothing. */
const LEAST_STEPS = 20;
/** A target is reached within a step or two: on smooth motion the next state follows it closely. */
const ABSOLUTE = 0.95;
/** A difference is disturbed by noise, lag and contact far more. */
const DELTA = 0.5;
/** Neither: the columns are not about the same thing, or are shifted against each other. */
const NOTHING = 0.2;
/** Units that data come in, as factors between action and state. */
const RATIOS: readonly (readonly [number, string])[] = [
  [180 / Math.PI, 'The actions look like radians, the state like degrees'],
  [Math.PI / 180, 'The actions look like degrees, the state like radians'],
  [1000, 'The actions look like metres, the state like millimetres'],
  [0.001, 'The actions look like millimetres, the state like metres'],
];
const RATIO_TOLERANCE = 0.06;

/** Names say which dimensions belong together; where they differ, the position does, as arms come before grippers. */
export function actionKinds(motions: readonly Motion[], { actions, state }: Fields): ActionKind[] {
  if (!state) return [];
  return actions.columns.flatMap((column): ActionKind[] => {
    // A gripper's state is an opening, whatever its action is.
    if (column.isGripper || column.isSwitch || column.min === column.max) return [];
    const named = state.columns.find(({ name }) => plain(name) === plain(column.name));
    const partner = named ?? state.columns.find(({ at }) => at === column.at);
    if (!partner || partner.isGripper || partner.min === partner.max) return [];
    const pairs = pairsOf(motions, actions, column.at, state, partner.at);
    if (pairs.action.length < LEAST_STEPS) return [];
    const absolute = fit(pairs.action, pairs.next);
    const delta = fit(pairs.action, pairs.change);
    const kind =
      absolute.correlation >= ABSOLUTE && absolute.correlation > delta.correlation
        ? 'absolute'
        : delta.correlation >= DELTA && delta.correlation > absolute.correlation
          ? 'delta'
          : 'unclear';
    return [
      {
        action: column.name,
        state: partner.name,
        kind,
        correlation: { absolute: absolute.correlation, delta: delta.correlation },
        slope: kind === 'delta' ? delta.slope : absolute.slope,
      },
    ];
  });
}

/** `shoulder_pan.pos` and `main_shoulder_pan`, say, are one joint. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.(pos|position)$|^(main|action|state)[_. ]/g, '');
}

interface Pairs {
  readonly action: number[];
  readonly next: number[];
  readonly change: number[];
}

function pairsOf(motions: readonly Motion[], actions: Field, a: number, states: Field, s: number): Pairs {
  const pairs: Pairs = { action: [], next: [], change: [] };
  for (const { length, actions: acted, state } of motions) {
    if (!state) continue;
    for (let step = 0; step + 1 < length; step++) {
      const action = acted[step * actions.size + a]!;
      const now = state[step * states.size + s]!;
      const next = state[(step + 1) * states.size + s]!;
      if (!Number.isFinite(action) || !Number.isFinite(now) || !Number.isFinite(next)) continue;
      pairs.action.push(action);
      pairs.next.push(next);
      pairs.change.push(next - now);
    }
  }
  return pairs;
}

/** Least squares of y on x; 0 where either never changes. */
function fit(x: readonly number[], y: readonly number[]): { correlation: number; slope: number } {
  const [mx, my] = [mean(x), mean(y)];
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (const [i, value] of x.entries()) {
    const [dx, dy] = [value - mx, y[i]! - my];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xx > 0 && yy > 0
    ? { correlation: xy / Math.sqrt(xx * yy), slope: xy / xx }
    : { correlation: 0, slope: 0 };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Where action and state do not fit together: other units, another sign, or no relation at all. */
export function actionFindings(kinds: readonly ActionKind[]): Finding[] {
  const about = { severity: 'warning', episode: null } as const;
  const findings: Finding[] = [];
  for (const [ratio, said] of RATIOS) {
    const off = kinds.filter(
      ({ kind, slope }) => kind === 'absolute' && Math.abs(slope / ratio - 1) < RATIO_TOLERANCE,
    );
    if (off.length === 0) continue;
    findings.push({
      ...about,
      id: 'units',
      message: `${said}: ${listed(off)} ${off.length === 1 ? 'differs' : 'differ'} by a factor of ${short(ratio)}.`,
      hint: 'A policy may learn that, but a robot that takes both in one unit does the wrong thing. Record both in the same unit.',
    });
  }
  const reversed = kinds.filter(
    ({ correlation: { absolute, delta } }) =>
      Math.min(absolute, delta) < -DELTA && Math.max(absolute, delta) < DELTA,
  );
  if (reversed.length > 0) {
    findings.push({
      ...about,
      id: 'actions-and-state',
      message: `The state moves against the action in ${listed(reversed)}.`,
      hint: 'The sign of one of them is reversed: check the calibration of the recorder.',
    });
  }
  const unrelated = kinds.filter(
    ({ correlation: { absolute, delta } }) => Math.max(Math.abs(absolute), Math.abs(delta)) < NOTHING,
  );
  // One dimension may be noise; half of them are a recording whose columns do not belong together.
  if (unrelated.length >= 2 && unrelated.length * 2 >= kinds.length) {
    findings.push({
      ...about,
      id: 'actions-and-state',
      message: `The state does not follow the actions: ${listed(unrelated)} ${unrelated.length === 1 ? 'is' : 'are'} unrelated to the next state and to its change.`,
      hint: 'Check that action and state are of the same robot, in the same order, and of the same moment.',
    });
  }
  return findings;
}

function listed(kinds: readonly ActionKind[]): string {
  return kinds.map(({ action }) => `"${action}"`).join(', ');
}
