/** Products: linear layers, their transposes, gradients of weights, batched products. */
import { badShape } from '../../../graph/shape-check.ts';
import { BLOCK_SIZE, sizeOf, type Node, type Shape, type Value } from '../../../graph/types.ts';
import { ELEMENTWISE, scalarOf } from '../elementwise.ts';
import type { Binding, Field, Style, Variant } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { collapsed, expanded, reshaped, transposed, type View } from '../view.ts';
import { u32, type Instruction } from './chain.ts';

/** What `finish.wgsl` has room for. */
export const FINISH_INPUTS = 4;
export const FINISH_LENGTH = 8;

/** Element-wise nodes that a product's result goes through before it is stored. */
export interface Epilogue {
  readonly nodes: readonly Node[];
}

interface Operands {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** [row, k] and [k, column], each after the batch's axes. */
  readonly a: View;
  readonly b: View | Packed;
  /** Of the result, without rows and columns. */
  readonly batch: Shape;
  readonly bias?: Value | undefined;
}

interface Packed {
  readonly codes: Binding;
  readonly scales: Binding;
  readonly bits: number;
  /** Of codes in a packed row. */
  readonly blocks: number;
  /** Whether k counts packed rows. */
  readonly byRow: boolean;
}

export function lowerProduct(to: PlanBuilder, node: Node, epilogue?: Epilogue): void {
  const root = epilogue?.nodes.at(-1) ?? node;
  const note = [node.op, ...(epilogue?.nodes.map(({ op }) => op) ?? [])].join(' ');
  productStep(to, node, OPERANDS[node.op]!(to, node), epilogue, to.result(root.output, note), note);
}

const OPERANDS: Record<string, (to: PlanBuilder, node: Node) => Operands> = {
  linear: (to, { inputs: [x, weight, bias] }) => {
    const [columns, depth] = weight!.shape as [number, number];
    const a = asRows(to, x!);
    const b = weight!.dtype === 'float32' ? transposed(to.view(weight!), [1, 0]) : packed(to, weight!, false);
    return { rows: a.shape[0]!, columns, depth, a, b, batch: [], bias };
  },
  linearTransposed: (to, { inputs: [dy, weight] }) => {
    const [depth, columns] = weight!.shape as [number, number];
    const a = asRows(to, dy!);
    const b = weight!.dtype === 'float32' ? to.view(weight!) : packed(to, weight!, true);
    return { rows: a.shape[0]!, columns, depth, a, b, batch: [] };
  },
  weightGradient: (to, { inputs: [dy, x] }) => {
    const [left, right] = [asRows(to, dy!), asRows(to, x!)];
    const [depth, rows] = left.shape as [number, number];
    return { rows, columns: right.shape[1]!, depth, a: transposed(left, [1, 0]), b: right, batch: [] };
  },
  matMul: (to, { inputs: [a, b], output }) => {
    const batch = output.shape.slice(0, -2);
    const [rows, columns] = output.shape.slice(-2) as [number, number];
    const wide = (value: Value) => expanded(to.view(value), [...batch, ...value.shape.slice(-2)]);
    return { rows, columns, depth: a!.shape.at(-1)!, a: wide(a!), b: wide(b!), batch };
  },
};

export const isProduct = (node: Node): boolean => node.op in OPERANDS;

/** […, K] as [rows, K]. */
function asRows(to: PlanBuilder, value: Value): View {
  const shape = [sizeOf(value.shape.slice(0, -1)), value.shape.at(-1)!];
  const view = to.view(value);
  return reshaped(view, shape) ?? reshaped(to.contiguous(view), shape)!;
}

function packed(to: PlanBuilder, weight: Value, byRow: boolean): Packed {
  const blocks = Math.ceil(weight.shape[1]! / BLOCK_SIZE);
  return { ...to.packed(weight), bits: weight.dtype === 'q4' ? 4 : 8, blocks, byRow };
}

const isPacked = (b: View | Packed): b is Packed => 'codes' in b;

/** Up to three axes as the uniform has them. */
const innermostFirst = (values: readonly number[], rest: number): number[] =>
  Array.from({ length: 4 }, (_, i) => values.toReversed()[i] ?? rest);

function productStep(
  to: PlanBuilder,
  node: Node,
  { rows, columns, depth, a, b, batch, bias }: Operands,
  epilogue: Epilogue | undefined,
  target: View,
  note: string,
): void {
  const batchSteps = (view: View) => view.strides.slice(0, batch.length);
  const flatBatch = collapsed(batch, [batchSteps(a), isPacked(b) ? batch.map(() => 0) : batchSteps(b)]);
  if (flatBatch.dims.length > 3) throw badShape(note, `${flatBatch.dims.length} batch axes`, 'at most 3');

  const [aRow, aK] = a.strides.slice(-2) as [number, number];
  const left = to.operand(a);
  const right = isPacked(b) ? b.codes : to.operand(b);
  const [bK, bColumn] = isPacked(b) ? [0, 0] : (b.strides.slice(-2) as [number, number]);
  const end = finishing(to, node, epilogue, columns, target, bias);
  const write = to.operand(target);

  const aByRow = aRow === 1 && aK !== 1;
  const bByColumn = isPacked(b) ? b.byRow : bColumn === 1 && bK !== 1;
  const start = 'start' in right ? (right.start as number) : 0;
  // Whether both can be read four numbers at a time.
  const strides = [left.start, start, aByRow ? aK : aRow, isPacked(b) ? 0 : bByColumn ? bK : bColumn];
  const sizes = [depth, aByRow ? rows : 0, bByColumn ? columns : 0, ...flatBatch.steps.flat()];
  const dense = (aByRow || aK === 1 || depth === 1) && (isPacked(b) || bByColumn || bK === 1);
  const fours = dense && [...strides, ...sizes].every((n) => n % 4 === 0);
  const constants = {
    BITS: isPacked(b) ? b.bits : 32,
    BY_ROW: isPacked(b) && b.byRow ? 1 : 0,
    A_BY_ROW: aByRow ? 1 : 0,
    B_BY_COLUMN: bByColumn ? 1 : 0,
    ...end.constants,
  };
  const variants = variantsOf({ rows, columns, batch: sizeOf(batch) }, constants, to.style, fours);
  to.step({
    ...variants[0]!,
    params: [
      ...u32([rows, columns, depth, isPacked(b) ? b.blocks : 0]),
      ...u32([left.start, aRow, aK, 0]),
      ...u32([start, bK, bColumn, 0]),
      ...u32(innermostFirst(flatBatch.dims, 1)),
      ...u32(innermostFirst(flatBatch.steps[0]!, 0)),
      ...u32(innermostFirst(flatBatch.steps[1]!, 0)),
      ...end.params,
    ],
    reads: [left, right, isPacked(b) ? b.scales : left, ...end.reads.map((read) => read ?? left)],
    write,
    note,
    variants,
  });
}

/** Rows and columns of `product.wgsl`'s tiles, largest first. */
const TILES = [
  [128, 64],
  [64, 64],
  [32, 32],
] as const;

/** Workgroups from which a large GPU is busy. */
const BUSY = 128;

/** Ways to compute a product, the likely best first. */
function variantsOf(
  { rows, columns, batch }: { rows: number; columns: number; batch: number },
  constants: Readonly<Record<string, number>>,
  style: Style,
  fours: boolean,
): Variant[] {
  const groups = (height: number, width: number) =>
    [Math.ceil(columns / width), Math.ceil(rows / height), batch] as const;
  const tiles = TILES.map(([height, width]): Variant => ({
    name: `tile ${height}x${width}`,
    kernel: 'product',
    constants: { ...constants, TILE_ROWS: height, TILE_COLUMNS: width },
    workgroups: groups(height, width),
  }));
  const direct: Variant[] = [...(fours ? ['product-direct4'] : []), 'product-direct'].map((kernel) => ({
    name: kernel.replace('product-', ''),
    kernel,
    constants,
    workgroups: groups(32, 32),
  }));
  if (style === 'direct') return [...direct, ...tiles];
  // The largest tile that still keeps the GPU busy: it reads least.
  const best = tiles.find(({ workgroups: [x, y, z] }) => x * y * z >= BUSY) ?? tiles.at(-1)!;
  return [best, ...tiles.filter((tile) => tile !== best), ...direct];
}

const E_MODE = { dense: 0, scalar: 1, column: 2 } as const;

/** How an operand of an epilogue is indexed, or null where `finish.wgsl` cannot. */
export function finishMode(shape: Shape, result: Shape, columns: number): number | null {
  const count = sizeOf(shape);
  if (count === sizeOf(result)) return E_MODE.dense;
  if (count === 1) return E_MODE.scalar;
  return count === columns && shape.at(-1) === columns ? E_MODE.column : null;
}

function finishing(
  to: PlanBuilder,
  node: Node,
  epilogue: Epilogue | undefined,
  columns: number,
  target: View,
  bias: Value | undefined,
) {
  const operands: Value[] = bias ? [bias] : [];
  const code: Instruction[] = bias ? [{ op: ELEMENTWISE['add']!, a: 0, b: 1, scalar: 0 }] : [];
  const registers = new Map([[node.output.id, bias ? 1 + FINISH_INPUTS : 0]]);
  for (const step of epilogue?.nodes ?? []) {
    for (const input of step.inputs) {
      if (registers.has(input.id)) continue;
      operands.push(input);
      registers.set(input.id, operands.length);
    }
    const [a, b = a] = step.inputs;
    code.push({
      op: ELEMENTWISE[step.op]!,
      a: registers.get(a!.id)!,
      b: registers.get(b!.id)!,
      scalar: scalarOf(step),
    });
    registers.set(step.output.id, 1 + FINISH_INPUTS + code.length - 1);
  }
  const views = operands.map((value) => to.contiguous(to.view(value)));
  const reads = views.map((view) => to.operand(view));
  const constants: Record<string, number> = { E_INPUTS: operands.length, E_LENGTH: code.length };
  views.forEach((view, i) => {
    // A bias is a column's whatever the shape of the result, also of a single row.
    const mode = bias && i === 0 ? E_MODE.column : finishMode(view.shape, target.shape, columns);
    if (mode === null) throw new Error(`${node.op}: an operand of its epilogue has another shape.`);
    constants[`E_MODE${i}`] = mode;
  });
  code.forEach(({ op, a, b }, i) =>
    Object.assign(constants, { [`E_OP${i}`]: op, [`E_A${i}`]: a, [`E_B${i}`]: b }),
  );
  const params: Field[] = [
    ...u32(Array.from({ length: FINISH_INPUTS }, (_, i) => reads[i]?.start ?? 0)),
    ...Array.from({ length: FINISH_LENGTH }, (_, i): Field => ['f32', code[i]?.scalar ?? 0]),
  ];
  return { constants, params, reads: Array.from({ length: FINISH_INPUTS }, (_, i) => reads[i]) };
}
