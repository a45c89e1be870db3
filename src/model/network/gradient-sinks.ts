/** Where gradients of trained weights go: into sums that the runtime adds to, whole to the tape's sink, or there in parts. */
import { rowParts, type Rows } from '../graph/gradient-parts.ts';
import { sizeOf } from '../graph/types.ts';
import { gradientName } from '../graph/vjp.ts';
import type { Tensors } from '../runtime/runtime.ts';
import type { Tape } from './tape.ts';

/** Outputs that the runtime adds to the tape's sums. */
export const summedIn = (tape: Tape, trained: readonly string[]): string[] =>
  tape.sums ? trained.map(gradientName) : [];

/** A program adds its gradients up, or gives them back. */
export const keyOfSums = ({ sums }: Tape): string => (sums ? ' in sums' : '');

/** Those sums. @param root of the weights' names */
export const sumsOf = ({ sums }: Tape, trained: readonly string[], root = ''): Tensors =>
  sums ? Object.fromEntries(trained.map((name) => [gradientName(name), sums(root + name)])) : {};

/** Hands over gradients that the runtime has not added up itself. */
export async function sinkGradients(
  tape: Tape,
  trained: readonly string[],
  gradients: Tensors,
  root = '',
): Promise<void> {
  if (tape.sums) return;
  for (const name of trained) {
    const gradient = gradients[gradientName(name)];
    if (!gradient) continue;
    await tape.sink({ name: root + name, rows: null, last: tape.isLast(root + name) }, gradient);
    gradient.dispose();
  }
}

/** Large weights whose gradients are wanted in parts, by name in the graph. */
export function partsOf(
  tape: Tape,
  trained: readonly string[],
  root: string,
  bound: Tensors,
): Map<string, Rows[]> {
  const parts = new Map<string, Rows[]>();
  for (const name of trained) {
    const { shape } = bound[name]!;
    // What several entries bind is added up whole.
    if (shape.length !== 2 || sizeOf(shape) <= tape.splitAbove || !tape.isLast(root + name)) continue;
    parts.set(name, rowParts(shape as [number, number], tape.splitAbove));
  }
  return parts;
}

export const keyOfParts = (parts: ReadonlyMap<string, readonly Rows[]>): string =>
  [...parts].map(([name, rows]) => `, ${name} in ${rows.length}`).join('');
