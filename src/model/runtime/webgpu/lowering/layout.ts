/** Ops that move numbers about, and sums. Reshape, transpose, expand and slice are views: they move nothing. */
import { sizeOf, type Node } from '../../../graph/types.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { collapsed, expanded, reshaped, sliced, transposed, type View } from '../view.ts';
import { copyStep, u32 } from './chain.ts';

type Attr<T> = { readonly [name: string]: T };

export function lowerReshape(to: PlanBuilder, { inputs: [x], output }: Node): void {
  const view = to.view(x!);
  to.setView(output, reshaped(view, output.shape) ?? reshaped(to.contiguous(view), output.shape)!);
}

export function lowerTranspose(to: PlanBuilder, { inputs: [x], attrs, output }: Node): void {
  to.setView(output, transposed(to.view(x!), (attrs as Attr<readonly number[]>)['perm']!));
}

export function lowerExpand(to: PlanBuilder, { inputs: [x], output }: Node): void {
  to.setView(output, expanded(to.view(x!), output.shape));
}

export function lowerSlice(to: PlanBuilder, { inputs: [x], attrs, output }: Node): void {
  const { axis, start, end } = attrs as { axis: number; start: number; end: number };
  to.setView(output, sliced(to.view(x!), axis, start, end));
}

/** Each input is copied to its place. */
export function lowerConcat(to: PlanBuilder, { inputs, attrs, output }: Node): void {
  const { axis } = attrs as { axis: number };
  const whole = to.result(output, 'concat');
  let start = 0;
  for (const input of inputs) {
    const end = start + input.shape[axis]!;
    copyStep(to, to.view(input), sliced(whole, axis, start, end), 'concat');
    start = end;
  }
}

export function lowerPad(to: PlanBuilder, { inputs: [x], attrs, output }: Node): void {
  const { axis, before } = attrs as { axis: number; before: number };
  const read = to.denseOperand(x!);
  const count = sizeOf(output.shape);
  const [groups, lines] = to.flat(count, 64);
  const inner = sizeOf(output.shape.slice(axis + 1));
  to.step({
    kernel: 'pad',
    params: u32([count, groups * 64, read.start, inner, output.shape[axis]!, before, x!.shape[axis]!]),
    reads: [read],
    write: to.operand(to.result(output, 'pad')),
    workgroups: [groups, lines],
    note: 'pad',
  });
}

const eight = (values: readonly number[]) =>
  u32(Array.from({ length: 8 }, (_, i) => values.toReversed()[i] ?? 0));

/** Terms from which a workgroup shares one sum. */
const SHARED_FROM = 64;

export function lowerReduceSum(to: PlanBuilder, { inputs: [x], attrs, output }: Node): void {
  const axes = (attrs as Attr<readonly number[]>)['axes']!;
  const view = to.view(x!);
  const part = (summed: boolean): Pick<View, 'shape' | 'strides'> => {
    const own = view.shape.map((_, axis) => axis).filter((axis) => axes.includes(axis) === summed);
    return { shape: own.map((axis) => view.shape[axis]!), strides: own.map((axis) => view.strides[axis]!) };
  };
  const [kept, inner] = [part(false), part(true)];
  const outer = collapsed(kept.shape, [kept.strides]);
  const terms = collapsed(inner.shape, [inner.strides]);
  const count = sizeOf(output.shape);
  const number = sizeOf(inner.shape);
  // Neighbouring results that lie side by side are best summed by neighbouring threads.
  const alongRows = terms.steps[0]!.at(-1) === 1 || count < 256;
  const shared = to.style === 'tiled' && number >= SHARED_FROM && alongRows;
  const [groups, lines] = to.flat(count, shared ? 1 : 64);
  const read = to.operand(view);
  to.step({
    kernel: shared ? 'reduce-shared' : 'reduce',
    params: [
      ...u32([count, number, outer.dims.length, terms.dims.length, groups, read.start, 0, 0]),
      ...eight(outer.dims),
      ...eight(outer.steps[0]!),
      ...eight(terms.dims),
      ...eight(terms.steps[0]!),
    ],
    reads: [read],
    write: to.operand(to.result(output, 'reduceSum')),
    workgroups: [groups, lines],
    note: 'reduceSum',
  });
}

export function lowerDequantise(to: PlanBuilder, { inputs: [weight], output }: Node): void {
  if (weight!.dtype === 'float32') return to.setView(output, to.view(weight!));
  const { codes, scales } = to.packed(weight!);
  const width = weight!.shape[1]!;
  const count = sizeOf(weight!.shape);
  const [groups, lines] = to.flat(count, 64);
  to.step({
    kernel: 'dequantise',
    constants: { BITS: weight!.dtype === 'q4' ? 4 : 8 },
    params: u32([count, groups * 64, width, Math.ceil(width / 32)]),
    reads: [codes, scales],
    write: to.operand(to.result(output, 'dequantise')),
    workgroups: [groups, lines],
    note: 'dequantise',
  });
}
