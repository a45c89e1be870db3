/** What the dimensions of actions and state hold over all episodes looked at: the measure of what is much or little. */
import type { Dataset, Episode } from '../dataset.ts';
import { fieldStatistics } from '../statistics.ts';

/** Fingers rest at their stops and close within a step or two: at a limit or fast is no fault there. */
const GRIPPER = /grip|jaw|finger/i;
/** A dimension of so few values is a switch, such as a gripper, and always at a limit. */
const SWITCH_VALUES = 3;
/**
 * Of the widest dimension's span: what moves less is noise, such as an angle that nothing turns. The practice table's yaw in "reach"
 * spans 1e-6 rad beside 0.3 m.
 */
const NOISE_SHARE = 1e-3;
/** Of the span, per step: below it a dimension stands. */
const STANDING_SHARE = 1e-3;
/** Of the steps. What stands more often, and is pushed now and then, has no usual step to tell a jump by. */
const MOVING_STEPS = 0.5;

export type Recording = Pick<Dataset, 'fps' | 'actionNames' | 'stateNames' | 'cameras'>;

/** Actions and state of an episode. */
export type Motion = Pick<Episode, 'index' | 'length' | 'actions' | 'state'>;

/** One dimension over all episodes looked at. Values that are not finite are left out. */
export interface Column {
  readonly name: string;
  /** Its position in a row. */
  readonly at: number;
  /** At least one. */
  readonly values: Float32Array;
  readonly min: number;
  readonly max: number;
  readonly q01: number;
  readonly q99: number;
  /** What its motion is measured by: q99 − q01, or max − min where that is 0; not less than noise. */
  readonly span: number;
  readonly isGripper: boolean;
  /** At most `SWITCH_VALUES` different values. */
  readonly isSwitch: boolean;
  /** Median change from step to step, where it moves; null where it mostly stands. */
  readonly usualStep: number | null;
}

export interface Field {
  /** Values of a row. */
  readonly size: number;
  /** Those that hold a finite value. */
  readonly columns: readonly Column[];
}

export interface Fields {
  readonly actions: Field;
  /** Null where no finite value was recorded. */
  readonly state: Field | null;
}

export function fieldsOf(motions: readonly Motion[], about: Recording): Fields {
  const actions = motions.map((motion) => motion.actions);
  const states = motions.flatMap((motion) => motion.state ?? []);
  const state = about.stateNames && fieldOf(states, about.stateNames);
  return {
    actions: fieldOf(actions, about.actionNames),
    state: state && state.columns.length > 0 ? state : null,
  };
}

/** @param parts [length, names] each */
function fieldOf(parts: readonly Float32Array[], names: readonly string[]): Field {
  const size = names.length;
  const known = names.flatMap((name, at) => {
    const values = finiteValues(parts, at, size);
    if (values.length === 0) return [];
    const { min, max, q01, q99 } = fieldStatistics([values], 1);
    const range = { min: min[0]!, max: max[0]!, q01: q01[0]!, q99: q99[0]! };
    const width = range.q99 - range.q01 || range.max - range.min;
    return [{ name, at, values, ...range, width, isGripper: GRIPPER.test(name) }];
  });
  const noise = NOISE_SHARE * Math.max(...known.map(({ width }) => width));
  const columns = known.map(({ width, ...column }) => {
    // A gripper's opening in metres may stand beside angles in degrees.
    const span = column.isGripper ? width : Math.max(width, noise);
    const changes = parts.flatMap((part) => changesOf(part, column.at, size));
    return { ...column, span, isSwitch: isSwitch(column.values), usualStep: usualStep(changes, span) };
  });
  return { size, columns };
}

function finiteValues(parts: readonly Float32Array[], column: number, size: number): Float32Array {
  const values: number[] = [];
  for (const part of parts) {
    for (let i = column; i < part.length; i += size) if (Number.isFinite(part[i])) values.push(part[i]!);
  }
  return Float32Array.from(values);
}

function isSwitch(values: Float32Array): boolean {
  const seen = new Set<number>();
  for (const value of values) if (seen.add(value).size > SWITCH_VALUES) return false;
  return true;
}

function usualStep(changes: readonly number[], span: number): number | null {
  const known = changes.filter(Number.isFinite);
  const moving = known.filter((change) => change > STANDING_SHARE * span);
  return moving.length === 0 || moving.length < MOVING_STEPS * known.length ? null : median(moving);
}

/** |change| of one column of values [length, size] from each step to the next; NaN where either value is not finite. */
export function changesOf(values: Float32Array, column: number, size: number): number[] {
  return Array.from({ length: Math.max(0, values.length / size - 1) }, (_, step) => {
    const change = Math.abs(values[(step + 1) * size + column]! - values[step * size + column]!);
    return Number.isFinite(change) ? change : NaN;
  });
}

/** 0 of nothing. */
export function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? 0;
}

export const median = (values: readonly number[]) => quantile(values, 0.5);
