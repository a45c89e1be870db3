/** Ops that go along rows: softmax, norms, attention, rotary embedding. */
import type { Node } from '../../../graph/types.ts';
import { badShape } from '../../../graph/shape-check.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { expanded, type View } from '../view.ts';
import { u32 } from './chain.ts';

const KINDS: Record<string, number> = { softmax: 0, layerNorm: 1, rmsNorm: 2 };

export function lowerNormalize(to: PlanBuilder, node: Node): void {
  const [x, weight, bias] = node.inputs.map((input) => to.denseOperand(input));
  const width = node.output.shape.at(-1)!;
  const rows = node.output.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const direct = to.style === 'direct';
  const [groups, lines] = to.flat(rows, direct ? 32 : 1);
  to.step({
    kernel: direct ? 'normalize-direct' : 'normalize',
    constants: { KIND: KINDS[node.op]! },
    params: [...u32([rows, width, groups]), ['f32', (node.attrs['eps'] as number | undefined) ?? 0]],
    reads: [x!, weight ?? x!, bias ?? x!],
    write: to.operand(to.result(node.output, node.op)),
    workgroups: [groups, lines],
    note: node.op,
  });
}

/** A view whose last axis is dense: what attention and rope take. */
function rowsDense(to: PlanBuilder, view: View): View {
  return view.strides.at(-1) === 1 || view.shape.at(-1) === 1 ? view : to.contiguous(view);
}

export function lowerRope(to: PlanBuilder, node: Node): void {
  const [x, cos, sin] = node.inputs;
  const view = rowsDense(to, to.view(x!));
  const [batch, length, width] = node.output.shape as [number, number, number];
  const heads = node.attrs['heads'] as number;
  const half = width / heads / 2;
  const count = batch * length * heads * half;
  const read = to.operand(view);
  const [groups, lines] = to.flat(count, 64);
  to.step({
    kernel: 'rope',
    params: u32([count, groups * 64, length, heads, half, read.start, view.strides[0]!, view.strides[1]!]),
    reads: [read, to.denseOperand(cos!), to.denseOperand(sin!)],
    write: to.operand(to.result(node.output, node.op)),
    workgroups: [groups, lines],
    note: node.op,
  });
}

const placeOf = (view: View, start: number) => u32([start, view.strides[0]!, view.strides[1]!, 0]);

const MAX_HEAD_DIM = 256;
/** What `attention-direct.wgsl` has room for. */
const MAX_DIRECT_HEAD_DIM = 128;

export function lowerAttention(to: PlanBuilder, node: Node): void {
  const [q, k, v, bias] = node.inputs;
  const { heads, kvHeads, scale } = node.attrs as { heads: number; kvHeads: number; scale: number };
  const [batch, length, width] = node.output.shape as [number, number, number];
  const total = k!.shape[1]!;
  const dim = width / heads;
  if (dim > MAX_HEAD_DIM) throw badShape('attention', `heads of ${dim}`, `at most ${MAX_HEAD_DIM} on WebGPU`);
  const views = [q!, k!, v!].map((value) => rowsDense(to, to.view(value)));
  const [qRead, kRead, vRead] = views.map((view) => to.operand(view));
  const wide = bias && rowsDense(to, expanded(to.view(bias), [batch, heads, length, total]));
  const biasRead = wide && to.operand(wide);
  const direct = to.style === 'direct' && dim <= MAX_DIRECT_HEAD_DIM;
  to.step({
    kernel: direct ? 'attention-direct' : 'attention',
    constants: { HAS_BIAS: bias ? 1 : 0, ...(direct ? {} : { CHUNKS: Math.ceil(dim / 32) }) },
    params: [
      ...u32([length, total, dim, heads / kvHeads]),
      ...placeOf(views[0]!, qRead!.start),
      ...placeOf(views[1]!, kRead!.start),
      ...placeOf(views[2]!, vRead!.start),
      ...u32(wide ? [biasRead!.start, ...wide.strides.slice(0, 3)] : [0, 0, 0, 0]),
      ['u32', width],
      ['f32', scale],
    ],
    reads: [qRead!, kRead!, vRead!, biasRead ?? qRead!],
    write: to.operand(to.result(node.output, node.op)),
    workgroups: [Math.ceil(length / (direct ? 32 : 16)), heads, batch],
    note: node.op,
  });
}
