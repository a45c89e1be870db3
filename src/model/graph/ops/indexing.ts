import { stridesOf, type Shape } from '../types.ts';

/** Maps a flat index of `to` to the flat index of `from` it broadcasts from. */
export function broadcastIndex(from: Shape, to: Shape): (index: number) => number {
  const strides = stridesOf(from);
  const steps = to.map((_, axis) => {
    const fromAxis = axis - to.length + from.length;
    return fromAxis < 0 || from[fromAxis] === 1 ? 0 : strides[fromAxis]!;
  });
  return stridedIndex(to, steps);
}

/** Maps a flat index of `shape` to Σ coordinate · step. */
export function stridedIndex(shape: Shape, steps: readonly number[], offset = 0): (index: number) => number {
  return (index) => {
    let rest = index;
    let target = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const dim = shape[axis]!;
      target += (rest % dim) * steps[axis]!;
      rest = Math.floor(rest / dim);
    }
    return target;
  };
}
