/** Element-wise chains and copies: the kernel `chain`. */
import { badShape } from '../../../graph/shape-check.ts';
import { sizeOf, stridesOf, type Node, type Shape, type Value } from '../../../graph/types.ts';
import { ELEMENTWISE, scalarOf } from '../elementwise.ts';
import type { Field } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { collapsed, expanded, type View } from '../view.ts';

/** What `chain.wgsl` has room for. */
export const CHAIN_INPUTS = 6;
export const CHAIN_LENGTH = 16;
const MAX_RANK = 8;
const THREADS = 64;

export interface Instruction {
  readonly op: number;
  /** Registers: operands first, then the results of earlier instructions from `CHAIN_INPUTS` on. */
  readonly a: number;
  readonly b: number;
  readonly scalar: number;
}

const MODE = { dense: 0, scalar: 1, repeats: 2, each: 3, strided: 4 } as const;

/** Copies a view into another of its shape. */
export function copyStep(to: PlanBuilder, from: View, target: View, note = 'copy'): void {
  chainStep(to, [from], [], target, note);
}

/**
 * @param nodes element-wise nodes in order, the last of which makes the result; those before it are read by the others only
 */
export function lowerChain(to: PlanBuilder, nodes: readonly Node[]): void {
  const root = nodes.at(-1)!;
  const registers = new Map(nodes.map(({ output }, i) => [output.id, CHAIN_INPUTS + i]));
  const inputs: Value[] = [];
  const shapes = new Map<number, Shape>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      if (registers.has(input.id)) continue;
      registers.set(input.id, inputs.length);
      shapes.set(input.id, input.shape);
      inputs.push(input);
    }
  }
  const code = nodes.map((node): Instruction => {
    const [a, b = a] = node.inputs;
    return {
      op: ELEMENTWISE[node.op]!,
      a: registers.get(a!.id)!,
      b: registers.get(b!.id)!,
      scalar: scalarOf(node),
    };
  });
  const views = inputs.map((input) => to.view(input));
  const note = nodes.map(({ op }) => op).join(' ');
  chainStep(to, views, code, to.result(root.output, note), note);
}

/** One dispatch: `views` broadcast to the target's shape. */
export function chainStep(
  to: PlanBuilder,
  views: readonly View[],
  code: readonly Instruction[],
  target: View,
  note: string,
): void {
  const wide = views.map((view) => expanded(view, target.shape));
  const { dims, steps } = collapsed(target.shape, [target.strides, ...wide.map(({ strides }) => strides)]);
  if (dims.length > MAX_RANK) throw badShape(note, `${dims.length} axes`, `at most ${MAX_RANK}`);
  const [outSteps, ...inSteps] = steps as [number[], ...number[][]];
  const modes = inSteps.map((own) => modeOf(dims, own));
  const outMode = modeOf(dims, outSteps).mode === MODE.dense ? MODE.dense : MODE.strided;
  const reads = wide.map((view) => to.operand(view));
  const write = to.operand(target);
  const count = sizeOf(target.shape);
  const [x, y] = to.flat(count, THREADS);

  const constants: Record<string, number> = { INPUTS: views.length, LENGTH: code.length, OUT_MODE: outMode };
  modes.forEach(({ mode }, i) => (constants[`MODE${i}`] = mode));
  code.forEach(({ op, a, b }, i) => Object.assign(constants, { [`OP${i}`]: op, [`A${i}`]: a, [`B${i}`]: b }));
  const innermostFirst = (own: readonly number[]) => padded(own.toReversed(), MAX_RANK);
  const params: Field[] = [
    ...u32([count, dims.length, x * THREADS, write.start]),
    ...u32(innermostFirst(dims)),
    ...u32(
      padded(
        reads.map(({ start }) => start),
        MAX_RANK,
      ),
    ),
    ...u32(
      padded(
        modes.map(({ period }) => period),
        MAX_RANK,
      ),
    ),
    ...u32(innermostFirst(outSteps)),
    ...Array.from({ length: CHAIN_INPUTS }, (_, i) => u32(innermostFirst(inSteps[i] ?? []))).flat(),
    ...padded(
      code.map(({ scalar }) => scalar),
      CHAIN_LENGTH,
    ).map((value): Field => ['f32', value]),
  ];
  to.step({
    kernel: 'chain',
    constants,
    params,
    // Every binding needs a buffer; those that INPUTS leaves out are not read.
    reads: Array.from({ length: CHAIN_INPUTS }, (_, i) => reads[i] ?? reads[0]!),
    write,
    workgroups: [x, y],
    note,
  });
}

export const u32 = (values: readonly number[]): Field[] => values.map((value) => ['u32', value] as const);

const padded = (values: readonly number[], length: number): number[] =>
  Array.from({ length }, (_, i) => values[i] ?? 0);

/** How an operand with these strides over `dims` is indexed by the flat index of the result. */
function modeOf(dims: readonly number[], own: readonly number[]): { mode: number; period: number } {
  const dense = stridesOf(dims);
  if (own.every((stride, axis) => stride === dense[axis])) return { mode: MODE.dense, period: 1 };
  if (own.every((stride) => stride === 0)) return { mode: MODE.scalar, period: 1 };
  const firstUsed = own.findIndex((stride) => stride !== 0);
  const lastUsed = own.findLastIndex((stride) => stride !== 0);
  if (own.every((stride, axis) => (axis < firstUsed ? stride === 0 : stride === dense[axis])))
    return { mode: MODE.repeats, period: sizeOf(dims.slice(firstUsed)) };
  const period = sizeOf(dims.slice(lastUsed + 1));
  if (own.every((stride, axis) => (axis > lastUsed ? stride === 0 : stride * period === dense[axis])))
    return { mode: MODE.each, period };
  return { mode: MODE.strided, period: 1 };
}
