/** Gradients of large weights in parts: what they are products of, and one product for some of the rows. */
import { GraphBuilder } from './builder.ts';
import type { Graph, NamedValue, Shape, Value } from './types.ts';
import { gradientName } from './vjp.ts';

/** Rows of a weight [N, K]. */
export interface Rows {
  readonly start: number;
  readonly end: number;
}

/** Parts of memory can be bound from multiples of 256 bytes on, whatever K is. */
const ROW_STEP = 64;

/** Rows of a weight in parts of at most `most` numbers, if 64 rows have no more. */
export function rowParts([rows, width]: readonly [number, number], most: number): Rows[] {
  const step = Math.max(ROW_STEP, Math.floor(most / width / ROW_STEP) * ROW_STEP);
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    start: i * step,
    end: Math.min(rows, (i + 1) * step),
  }));
}

/** Outputs that stand for the output `name`: x, and dy for each part. */
export const operandNames = (name: string) => ({
  x: `${name}: x`,
  dy: (part: Rows) => `${name}: dy ${part.start}`,
});

/**
 * The graph with the factors of large weights' gradients in the place of their products, which `gradientOfRows` makes part by part. A gradient
 * that is no `weightGradient` of values made here stays.
 * @param parts by the names of the inputs whose gradients they are of
 */
export function withGradientParts(graph: Graph, parts: ReadonlyMap<string, readonly Rows[]>): Graph {
  const made = new Map(graph.nodes.map((node) => [node.output.id, node]));
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs.map(({ id }) => id)));
  const rowsOf = new Map([...parts].map(([name, rows]) => [gradientName(name), rows]));
  let nextId =
    1 + Math.max(...[...graph.inputs, ...graph.constants].map(({ value }) => value.id), ...made.keys());
  const nodes = new Set(graph.nodes);
  const outputs = graph.outputs.flatMap((output): NamedValue[] => {
    const rows = rowsOf.get(output.name);
    const node = made.get(output.value.id);
    if (!rows || node?.op !== 'weightGradient' || read.has(node.output.id)) return [output];
    const [dy, x] = node.inputs as [Value, Value];
    if (!made.has(x.id)) return [output];
    nodes.delete(node);
    const names = operandNames(output.name);
    const slices = rows.map((part): NamedValue => {
      const { start, end } = part;
      const shape = [...dy.shape.slice(0, -1), end - start];
      const value: Value = { id: nextId++, dtype: 'float32', shape };
      nodes.add({ op: 'slice', inputs: [dy], attrs: { axis: shape.length - 1, start, end }, output: value });
      return { name: names.dy(part), value };
    });
    return [{ name: names.x, value: x }, ...slices];
  });
  return { ...graph, nodes: [...nodes], outputs };
}

/** `dy` […, rows] and `x` […, K] → `gradient` [rows, K]. */
export function gradientOfRows(dy: Shape, x: Shape): Graph {
  const g = new GraphBuilder('gradient of rows');
  g.output('gradient', g.weightGradient(g.input('dy', dy), g.input('x', x)));
  return g.build();
}
