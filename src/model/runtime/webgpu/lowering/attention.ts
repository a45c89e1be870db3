/** Attention and its gradient. */
import { badShape } from '../../../graph/shape-check.ts';
import type { Node } from '../../../graph/types.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { expanded, type View } from '../view.ts';
import { u32 } from './chain.ts';
import { rowsDense } from './rows.ts';

const placeOf = (view: View, start: number) => u32([start, view.strides[0]!, view.strides[1]!, 0]);

/** What the kernels have room for: registers, and of workgroup memory 16 KB, which every device has. */
const MAX_HEAD_DIM = 128;

function headDim({ op, inputs: [q], attrs }: Node): number {
  const dim = q!.shape[2]! / (attrs['heads'] as number);
  if (dim > MAX_HEAD_DIM) throw badShape(op, `heads of ${dim}`, `at most ${MAX_HEAD_DIM} on WebGPU`);
  return dim;
}

export function lowerAttention(to: PlanBuilder, node: Node): void {
  const [q, k, v, bias] = node.inputs;
  const { heads, kvHeads, scale } = node.attrs as { heads: number; kvHeads: number; scale: number };
  const [batch, length, width] = node.output.shape as [number, number, number];
  const total = k!.shape[1]!;
  const dim = headDim(node);
  const views = [q!, k!, v!].map((value) => rowsDense(to, to.view(value)));
  const [qRead, kRead, vRead] = views.map((view) => to.operand(view));
  const wide = bias && rowsDense(to, expanded(to.view(bias), [batch, heads, length, total]));
  const biasRead = wide && to.operand(wide);
  const direct = to.styleOf('attention') === 'direct';
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

/** The statistics of rows, dq, or dk and dv: `attention-gradient-operands.wgsl` has the formulas. */
export function lowerAttentionGradient(to: PlanBuilder, node: Node): void {
  const { heads, kvHeads, scale } = node.attrs as { heads: number; kvHeads: number; scale: number };
  const ofRows = node.op !== 'attentionKeyValueGradient';
  const [q, k, v, dy, ...rest] = node.inputs;
  const statistics = node.op === 'attentionStatistics' ? undefined : rest.shift();
  const [bias] = rest;
  const [batch, length] = q!.shape as [number, number, number];
  const total = k!.shape[1]!;
  const dim = headDim(node);
  const views = [q!, k!, v!, dy!].map((value) => rowsDense(to, to.view(value)));
  const reads = views.map((view) => to.operand(view));
  const wide = bias && rowsDense(to, expanded(to.view(bias), [batch, heads, length, total]));
  const biasRead = wide && to.operand(wide);
  const direct = to.styleOf('attention gradient') === 'direct';
  const kernel = `attention-${ofRows ? 'rows' : 'columns'}${direct ? '-direct' : ''}`;
  to.step({
    kernel,
    constants: {
      HAS_BIAS: bias ? 1 : 0,
      ...(ofRows ? { KIND: statistics ? 1 : 0 } : {}),
      ...(direct ? {} : { CHUNKS: Math.ceil(dim / 32) }),
    },
    params: [
      ...u32([length, total, dim, heads / kvHeads]),
      ...views.flatMap((view, i) => placeOf(view, reads[i]!.start)),
      ...u32(wide ? [biasRead!.start, ...wide.strides.slice(0, 3)] : [0, 0, 0, 0]),
      ...u32([heads, kvHeads, batch]),
      ['f32', scale],
    ],
    reads: [...reads, statistics ? to.denseOperand(statistics) : reads[0]!, biasRead ?? reads[0]!],
    write: to.operand(to.result(node.output, node.op)),
    workgroups: [Math.ceil((ofRows ? length : total) / (direct ? 32 : 16)), ofRows ? heads : kvHeads, batch],
    note: node.op,
  });
}
