import { defineOp } from '../op.ts';
import { badShape, broadcastShapes, expectFloat, sameShape, show } from '../shape-check.ts';
import { sizeOf, stridesOf, type Value } from '../types.ts';
import { broadcastIndex, stridedIndex } from './indexing.ts';

function checkAxis(op: string, x: Value, axis: number): void {
  if (x.shape[axis] === undefined) throw badShape(op, `axis ${axis}`, `an axis of ${show(x.shape)}`);
}

interface Target {
  readonly [name: string]: readonly number[];
  readonly shape: readonly number[];
}

export const reshape = defineOp<Target>({
  arity: [1, 1],
  infer: ([x], { shape }) => {
    expectFloat('reshape', x!);
    if (sizeOf(shape) !== sizeOf(x!.shape)) {
      throw badShape('reshape', `${show(x!.shape)} to ${show(shape)}`, 'the same number of elements');
    }
    return shape;
  },
  lower: (to, names, { attrs }) => to.emit('Reshape', [names[0]!, to.ints(attrs.shape)]),
  evaluate: ([x]) => x!.data.slice(),
  vjp: (g, { inputs: [x] }, dy) => [g.reshape(dy, x!.shape)],
});

/** Repeats along axes of length 1 (and new leading axes) until the shape is reached. */
export const expand = defineOp<Target>({
  arity: [1, 1],
  infer: ([x], { shape }) => {
    expectFloat('expand', x!);
    if (!sameShape(broadcastShapes('expand', x!.shape, shape), shape)) {
      throw badShape('expand', `${show(x!.shape)} to ${show(shape)}`, 'a shape it broadcasts to');
    }
    return shape;
  },
  lower: (to, names, { attrs }) => to.emit('Expand', [names[0]!, to.ints(attrs.shape)]),
  evaluate: ([x], _attrs, shape) => {
    const index = broadcastIndex(x!.shape, shape);
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) => x!.data[index(i)]!);
  },
  vjp: (g, { inputs: [x] }, dy) => [g.sumTo(dy, x!.shape)],
});

interface Permutation {
  readonly [name: string]: readonly number[];
  readonly perm: readonly number[];
}

export const transpose = defineOp<Permutation>({
  arity: [1, 1],
  infer: ([x], { perm }) => {
    expectFloat('transpose', x!);
    const sorted = perm.toSorted((a, b) => a - b);
    if (perm.length !== x!.shape.length || sorted.some((axis, i) => axis !== i)) {
      throw badShape('transpose', `perm ${show(perm)} for ${show(x!.shape)}`, 'a permutation of its axes');
    }
    return perm.map((axis) => x!.shape[axis]!);
  },
  lower: (to, names, { attrs }) => to.emit('Transpose', names, { perm: { ints: attrs.perm } }),
  evaluate: ([x], { perm }, shape) => {
    const strides = stridesOf(x!.shape);
    const index = stridedIndex(
      shape,
      perm.map((axis) => strides[axis]!),
    );
    return Float64Array.from({ length: x!.data.length }, (_, i) => x!.data[index(i)]!);
  },
  vjp: (g, { attrs }, dy) => {
    const inverse = attrs.perm.map((_, axis) => attrs.perm.indexOf(axis));
    return [g.transpose(dy, inverse)];
  },
});

interface Axis {
  readonly [name: string]: number;
  readonly axis: number;
}

export const concat = defineOp<Axis>({
  arity: [1, Infinity],
  infer: (inputs, { axis }) => {
    expectFloat('concat', ...inputs);
    const first = inputs[0];
    if (!first) throw badShape('concat', 'no inputs', 'at least one');
    checkAxis('concat', first, axis);
    let total = 0;
    for (const { shape } of inputs) {
      const fits =
        shape.length === first.shape.length && shape.every((d, i) => i === axis || d === first.shape[i]);
      if (!fits) {
        throw badShape(
          'concat',
          `${show(first.shape)} and ${show(shape)}`,
          `shapes equal but for axis ${axis}`,
        );
      }
      total += shape[axis]!;
    }
    return first.shape.with(axis, total);
  },
  lower: (to, names, { attrs }) => to.emit('Concat', names, { axis: { int: attrs.axis } }),
  evaluate: (inputs, { axis }, shape) => {
    const out = new Float64Array(sizeOf(shape));
    const inner = sizeOf(shape.slice(axis + 1));
    const row = shape[axis]! * inner;
    let start = 0;
    for (const input of inputs) {
      const length = input.shape[axis]! * inner;
      for (let i = 0; i < input.data.length; i++) {
        out[Math.floor(i / length) * row + start + (i % length)] = input.data[i]!;
      }
      start += length;
    }
    return out;
  },
  vjp: (g, { inputs, attrs }, dy, needs) => {
    let start = 0;
    return inputs.map((input, i) => {
      const end = start + input.shape[attrs.axis]!;
      const grad = needs[i] ? g.slice(dy, attrs.axis, start, end) : undefined;
      start = end;
      return grad;
    });
  },
});

interface Range extends Axis {
  readonly start: number;
  readonly end: number;
}

export const slice = defineOp<Range>({
  arity: [1, 1],
  infer: ([x], { axis, start, end }) => {
    expectFloat('slice', x!);
    checkAxis('slice', x!, axis);
    const dim = x!.shape[axis]!;
    if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= dim)) {
      throw badShape('slice', `${start}…${end} on an axis of ${dim}`, '0 ≤ start < end ≤ length');
    }
    return x!.shape.with(axis, end - start);
  },
  lower: (to, names, { attrs }) =>
    to.emit('Slice', [names[0]!, to.ints([attrs.start]), to.ints([attrs.end]), to.ints([attrs.axis])]),
  evaluate: ([x], { axis, start }, shape) => {
    const strides = stridesOf(x!.shape);
    const index = stridedIndex(shape, strides, start * strides[axis]!);
    return Float64Array.from({ length: sizeOf(shape) }, (_, i) => x!.data[index(i)]!);
  },
  vjp: (g, { inputs: [x], attrs }, dy) => [
    g.pad(dy, attrs.axis, attrs.start, x!.shape[attrs.axis]! - attrs.end),
  ],
});

interface Padding extends Axis {
  readonly before: number;
  readonly after: number;
}

/** Zeros before and after along one axis. */
export const pad = defineOp<Padding>({
  arity: [1, 1],
  infer: ([x], { axis, before, after }) => {
    expectFloat('pad', x!);
    checkAxis('pad', x!, axis);
    if (![before, after].every((count) => Number.isInteger(count) && count >= 0)) {
      throw badShape('pad', `${before} and ${after}`, 'whole numbers from 0');
    }
    return x!.shape.with(axis, before + x!.shape[axis]! + after);
  },
  lower: (to, names, { inputs: [x], attrs }) => {
    const rank = x!.shape.length;
    const pads = Array.from({ length: 2 * rank }, () => 0);
    pads[attrs.axis] = attrs.before;
    pads[rank + attrs.axis] = attrs.after;
    return to.emit('Pad', [names[0]!, to.ints(pads)]);
  },
  evaluate: ([x], { axis, before }, shape) => {
    const out = new Float64Array(sizeOf(shape));
    const strides = stridesOf(shape);
    const index = stridedIndex(x!.shape, strides, before * strides[axis]!);
    for (let i = 0; i < x!.data.length; i++) out[index(i)] = x!.data[i]!;
    return out;
  },
  vjp: (g, { inputs: [x], attrs }, dy) => [
    g.slice(dy, attrs.axis, attrs.before, attrs.before + x!.shape[attrs.axis]!),
  ],
});

interface Axes {
  readonly [name: string]: readonly number[];
  readonly axes: readonly number[];
}

/** Sum over `axes`, which stay as axes of length 1. */
export const reduceSum = defineOp<Axes>({
  arity: [1, 1],
  infer: ([x], { axes }) => {
    expectFloat('reduceSum', x!);
    if (axes.some((axis) => x!.shape[axis] === undefined)) {
      throw badShape('reduceSum', `axes ${show(axes)} for ${show(x!.shape)}`, 'axes of the tensor');
    }
    return x!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  },
  lower: (to, names, { attrs }) =>
    to.emit('ReduceSum', [names[0]!, to.ints(attrs.axes)], { keepdims: { int: 1 } }),
  evaluate: ([x], _attrs, shape) => {
    const out = new Float64Array(sizeOf(shape));
    const index = broadcastIndex(shape, x!.shape);
    for (let i = 0; i < x!.data.length; i++) out[index(i)]! += x!.data[i]!;
    return out;
  },
  vjp: (g, { inputs: [x] }, dy) => [g.expand(dy, x!.shape)],
});
