/** Strided views: reshapes, transposes, slices and broadcasts that move no bytes. */
import { sizeOf, stridesOf, type Shape } from '../../graph/types.ts';

/** A tensor seen in a block of memory. Offset and strides count elements; a stride of 0 repeats. */
export interface View {
  /** The block of memory (`Block.id` of the plan). */
  readonly block: number;
  readonly offset: number;
  readonly shape: Shape;
  readonly strides: readonly number[];
}

export const wholeView = (block: number, shape: Shape, offset = 0): View => ({
  block,
  offset,
  shape,
  strides: stridesOf(shape),
});

/** Whether elements lie row-major without gaps. */
export function isContiguous({ shape, strides }: View): boolean {
  const dense = stridesOf(shape);
  return shape.every((dim, axis) => dim === 1 || strides[axis] === dense[axis]);
}

export const transposed = (view: View, perm: readonly number[]): View => ({
  ...view,
  shape: perm.map((axis) => view.shape[axis]!),
  strides: perm.map((axis) => view.strides[axis]!),
});

export const sliced = (view: View, axis: number, start: number, end: number): View => ({
  ...view,
  offset: view.offset + start * view.strides[axis]!,
  shape: view.shape.with(axis, end - start),
});

/** NumPy broadcasting to `shape`, which the view's shape fits. */
export function expanded(view: View, shape: Shape): View {
  const lead = shape.length - view.shape.length;
  const strides = shape.map((dim, axis) => {
    const own = view.shape[axis - lead] ?? 1;
    return own === 1 && dim !== 1 ? 0 : (view.strides[axis - lead] ?? 0);
  });
  return { ...view, shape, strides };
}

/** The view in another shape, or null where that takes a copy. */
export function reshaped(view: View, shape: Shape): View | null {
  const { dims, steps } = collapsed(view.shape, [view.strides]);
  const own = steps[0]!;
  const strides = Array.from({ length: shape.length }, () => 0);
  let group = dims.length - 1;
  let left = dims[group] ?? 1;
  let step = own[group] ?? 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const dim = shape[axis]!;
    if (dim === 1) continue;
    if (left === 1 && group > 0) {
      group -= 1;
      left = dims[group]!;
      step = own[group]!;
    }
    if (left % dim !== 0) return null;
    strides[axis] = step;
    step *= dim;
    left /= dim;
  }
  return { ...view, shape, strides };
}

/**
 * Joins neighbouring axes over which every operand steps evenly, and drops axes of length 1: the fewest axes a kernel
 * has to take an index apart into.
 * @param operands strides of each operand over `shape`
 */
export function collapsed(
  shape: Shape,
  operands: readonly (readonly number[])[],
): { dims: number[]; steps: number[][] } {
  const dims: number[] = [];
  const steps: number[][] = operands.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const dim = shape[axis]!;
    if (dim === 1) continue;
    const last = dims.length - 1;
    const joins = last >= 0 && operands.every((strides, i) => steps[i]![last] === strides[axis]! * dim);
    if (joins) {
      dims[last]! *= dim;
      operands.forEach((strides, i) => (steps[i]![last] = strides[axis]!));
    } else {
      dims.push(dim);
      operands.forEach((strides, i) => steps[i]!.push(strides[axis]!));
    }
  }
  return { dims, steps };
}

/** Elements from the first to the last that the view reaches, both included. */
export function extentOf({ shape, strides }: View): number {
  return 1 + shape.reduce((sum, dim, axis) => sum + (dim - 1) * strides[axis]!, 0);
}

export const countOf = (view: View): number => sizeOf(view.shape);
