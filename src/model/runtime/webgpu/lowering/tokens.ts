/** Losses and choices over a vocabulary: the kernel `tokens`. */
import { sizeOf, type Node } from '../../../graph/types.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { u32 } from './chain.ts';

const KINDS: Record<string, number> = { argMax: 0, crossEntropy: 1, crossEntropyGradient: 2 };

export function lowerTokens(to: PlanBuilder, node: Node): void {
  const [x, targets, dy] = node.inputs.map((input) => to.denseOperand(input));
  const { shape } = node.inputs[0]!;
  const rows = sizeOf(shape.slice(0, -1));
  const [groups, lines] = to.flat(rows, 1);
  to.step({
    kernel: 'tokens',
    constants: { KIND: KINDS[node.op]!, THREADS: to.style === 'direct' ? 1 : 64 },
    params: u32([rows, shape.at(-1)!, groups]),
    reads: [x!, targets ?? x!, dy ?? x!],
    write: to.operand(to.result(node.output, node.op)),
    workgroups: [groups, lines],
    note: node.op,
  });
}
