/** Stretches in which nothing moves, and changes too large to be motion. */
import { changesOf, type Field, type Fields, type Motion } from './columns.ts';
import { short, type Finding } from './finding.ts';

/** Shorter pauses are part of every task: a grasp, a change of direction. */
const IDLE_SECONDS = 1;
/** Of a dimension's span, within an idle second: above the noise of encoders, below the slowest useful motion. */
const IDLE_SHARE = 0.01;
/** A tracker that jumps or a dropped stretch; the fastest step of a person or of the scripted expert is some 5 times the median. */
const JUMP_RATIO = 20;
/** Of the span: keeps dimensions that hardly move from being all jumps. */
const JUMP_SHARE = 0.1;

export function idleStretches(motion: Motion, fps: number, fields: Fields): Finding[] {
  const least = Math.max(2, Math.ceil(IDLE_SECONDS * fps));
  const stretches: { from: number; to: number }[] = [];
  for (let from = 0; from + least <= motion.length; from++) {
    if (!isIdle(motion, fields, from, from + least)) continue;
    const last = stretches.at(-1);
    if (last && from < last.to) last.to = from + least;
    else stretches.push({ from, to: from + least });
  }
  return stretches.map(({ from, to }) => ({
    id: 'idle',
    severity: 'warning',
    episode: motion.index,
    from,
    to,
    message: `Nothing moves for ${((to - from) / fps).toFixed(1)} s (steps ${from} to ${to - 1}). A policy trained on this learns to wait there.`,
    hint: idleHint(from, to, motion.length),
  }));
}

function idleHint(from: number, to: number, length: number): string {
  if (from === 0 && to === length) return 'Leave the episode out: it shows nothing.';
  if (from === 0) return `Trim the beginning: keep the episode from step ${to}.`;
  if (to === length) return `Trim the end: keep the steps before ${from}.`;
  return 'A pause in the middle cannot be trimmed away: if the task needs none, record the episode again.';
}

/**
 * At rest, an action does not change: a position is held, a difference stays 0. A difference that is held (a pressed key) is told
 * from rest by the state, which moves; without one, a dimension that can be 0 rests there only, unless it is a gripper.
 */
function isIdle({ actions, state }: Motion, fields: Fields, from: number, to: number): boolean {
  if (!isStill(actions, fields.actions, from, to)) return false;
  if (state && fields.state) return isStill(state, fields.state, from, to);
  const { size, columns } = fields.actions;
  return columns.every(({ at, isGripper, min, max, span }) => {
    const value = actions[from * size + at]!;
    return isGripper || min > 0 || max < 0 || Math.abs(value) <= IDLE_SHARE * span;
  });
}

/** Not where a step holds no finite value at all: that it stands is not known. */
function isStill(values: Float32Array, field: Field, from: number, to: number): boolean {
  if (moves(values, field, IDLE_SHARE, from, to)) return false;
  for (let step = from; step < to; step++) {
    const row = values.subarray(step * field.size, (step + 1) * field.size);
    if (!row.some(Number.isFinite)) return false;
  }
  return true;
}

/** Whether a dimension's finite values differ by more than `share` of its span over steps [from, to) of values [length, size]. */
export function moves(
  values: Float32Array,
  { size, columns }: Field,
  share: number,
  from: number,
  to: number,
): boolean {
  return columns.some(({ at, span }) => {
    let low = Infinity;
    let high = -Infinity;
    for (let step = from; step < to; step++) {
      const value = values[step * size + at]!;
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
      if (high - low > share * span) return true;
    }
    return false;
  });
}

/** One finding per dimension of the state, at its largest jump. */
export function jumps({ index, state }: Motion, field: Field | null): Finding[] {
  if (!state || !field) return [];
  return field.columns.flatMap(({ name, at, span, usualStep, isGripper, isSwitch }): Finding[] => {
    if (isSwitch || isGripper || usualStep === null) return [];
    const changes = changesOf(state, at, field.size);
    const far = changes.filter((change) => change > JUMP_RATIO * usualStep && change > JUMP_SHARE * span);
    if (far.length === 0) return [];
    const largest = Math.max(...far);
    const from = changes.indexOf(largest);
    return [
      {
        id: 'jump',
        severity: 'warning',
        episode: index,
        dimension: name,
        from,
        to: from + 2,
        message:
          `"${name}" of the state jumps ${far.length === 1 ? 'once' : `${far.length} times`}: at step ${from} by ${short(largest)}, ` +
          `${Math.round(largest / usualStep)} times its usual step.`,
        hint: 'Frames may be missing there, or the sensor failed; an angle may have wrapped from π to −π. Trim it away, or leave the episode out.',
      },
    ];
  });
}
