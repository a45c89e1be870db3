/** Ops that go along rows: softmax, norms and their gradients, rotary embedding. */
import type { Node } from '../../../graph/types.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import type { View } from '../view.ts';
import { u32 } from './chain.ts';

const KINDS: Record<string, number> = { softmax: 0, layerNorm: 1, rmsNorm: 2 };

export function lowerNormalize(to: PlanBuilder, node: Node): void {
  const [x, weight, bias] = node.inputs.map((input) => to.denseOperand(input));
  const width = node.output.shape.at(-1)!;
  const rows = node.output.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const direct = to.styleOf('normalize') === 'direct';
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

/** The gradient of a norm's input. @param sum what is made of it and one more value */
export function lowerNormGradient(to: PlanBuilder, node: Node, sum?: Node): void {
  const [x, weight, dy] = node.inputs.map((input) => to.denseOperand(input));
  const rest = sum?.inputs.find(({ id }) => id !== node.output.id);
  const root = sum ?? node;
  const width = node.output.shape.at(-1)!;
  const rows = node.output.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const direct = to.styleOf('norm gradient') === 'direct';
  const [groups, lines] = to.flat(rows, direct ? 32 : 1);
  to.step({
    kernel: direct ? 'norm-gradient-direct' : 'norm-gradient',
    constants: { KIND: node.op === 'layerNormGradient' ? 1 : 2, HAS_REST: rest ? 1 : 0 },
    params: [...u32([rows, width, groups]), ['f32', node.attrs['eps'] as number]],
    reads: [x!, weight!, dy!, rest ? to.denseOperand(rest) : x!],
    write: to.operand(to.result(root.output, node.op)),
    workgroups: [groups, lines],
    note: rest ? `${node.op} add` : node.op,
  });
}

/** A view whose last axis is dense: what attention and rope take. */
export function rowsDense(to: PlanBuilder, view: View): View {
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
