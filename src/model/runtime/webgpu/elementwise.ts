/** The element-wise ops, by their numbers in `apply.wgsl`. */
import type { Node } from '../../graph/types.ts';

export const ELEMENTWISE: Readonly<Record<string, number>> = {
  add: 1,
  sub: 2,
  mul: 3,
  div: 4,
  exp: 5,
  log: 6,
  sqrt: 7,
  erf: 8,
  relu: 9,
  step: 10,
  sigmoid: 11,
  gelu: 12,
  scale: 13,
  addScalar: 14,
};

export const isElementwise = (node: Node): boolean => node.op in ELEMENTWISE;

/** What `scale` and `addScalar` take beside their input. */
export const scalarOf = (node: Node): number => (node.attrs['value'] as number | undefined) ?? 0;
