import type { Motion, Recording } from './columns.ts';
import type { Finding } from './finding.ts';

/** NaN and ±Infinity: one finding for the actions and one for the state. */
export function notFinite(motion: Motion, about: Recording): Finding[] {
  const { actions, state } = motion;
  return [
    ...inField(motion, 'action', actions, about.actionNames),
    ...(state && about.stateNames ? inField(motion, 'state', state, about.stateNames) : []),
  ];
}

/** @param values [length, names] */
function inField(
  { index, length }: Motion,
  field: 'action' | 'state',
  values: Float32Array,
  names: readonly string[],
): Finding[] {
  const kinds = new Set<string>();
  const dimensions = new Set<number>();
  const steps = new Set<number>();
  for (const [i, value] of values.entries()) {
    if (Number.isFinite(value)) continue;
    kinds.add(String(value));
    dimensions.add(i % names.length);
    steps.add(Math.floor(i / names.length));
  }
  if (steps.size === 0) return [];
  const from = Math.min(...steps);
  const to = Math.max(...steps) + 1;
  const named = names.filter((_, at) => dimensions.has(at)).map((name) => `"${name}"`);
  return [
    {
      id: 'not-finite',
      severity: 'warning',
      episode: index,
      from,
      to,
      message:
        `${named.join(', ')} of the ${field} ${named.length === 1 ? 'is' : 'are'} ${[...kinds].join(' or ')}, which nothing can be learnt from, ` +
        `in ${steps.size} of ${length} steps, first at step ${from}.`,
      hint: hint(from, to, length),
    },
  ];
}

/** Keeps the longer of the two ends. */
function hint(from: number, to: number, length: number): string {
  const spoils = 'A single such value can spoil a whole training run.';
  if (from === 0 && to === length) return `Leave the episode out. ${spoils}`;
  const kept = from >= length - to ? `before ${from}` : `from ${to}`;
  return `Leave the episode out, or trim it: keep the steps ${kept}. ${spoils}`;
}
