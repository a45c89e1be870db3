/** Orders and repeats work so that less has to be held at once, at next to no cost. What is computed stays the same, to the bit. */
import { sizeOf, type Graph, type Node, type Value } from '../../graph/types.ts';
import { isElementwise } from './elementwise.ts';
import { isProduct } from './lowering/product.ts';

/** Numbers from which a value is worth it; smaller ones would only make dispatches. */
const LARGE = 2 ** 20;

/** All of the below. */
export const withLessMemory = (graph: Graph, large = LARGE): Graph =>
  withNormsRepeated(withCheapRepeated(withWeightGradientsEarly(graph), large), large);

/**
 * Gradients of weights as soon as both factors are there, so that these need not wait for what comes after: only for those that nothing reads, as
 * they go out of the graph.
 */
function withWeightGradientsEarly(graph: Graph): Graph {
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs.map(({ id }) => id)));
  const moves = ({ op, output }: Node) => op === 'weightGradient' && !read.has(output.id);
  const index = new Map(graph.nodes.map((node, i) => [node.output.id, i]));
  const after = new Map<number, Node[]>();
  for (const node of graph.nodes.filter(moves)) {
    const last = Math.max(-1, ...node.inputs.map(({ id }) => index.get(id) ?? -1));
    after.set(last, [...(after.get(last) ?? []), node]);
  }
  if (after.size === 0) return graph;
  const nodes = [
    ...(after.get(-1) ?? []),
    ...graph.nodes.flatMap((node, i) => [...(moves(node) ? [] : [node]), ...(after.get(i) ?? [])]),
  ];
  return { ...graph, nodes };
}

/**
 * A large element-wise value of one large value (SiLU of a gate, say) is made again where it is read after further products, instead of being
 * held: what it is made of is as large, and is mostly held anyway. As its only reader there is element-wise, it joins that one's dispatch.
 */
function withCheapRepeated(graph: Graph, large: number): Graph {
  const nodes = [...graph.nodes];
  const outputs = new Set(graph.outputs.map(({ value }) => value.id));
  const makers = new Map(nodes.map((node) => [node.output.id, node]));
  let nextId = firstFreeId(graph);
  let changed = false;
  // Readers first: what is made again reads what it is made of again.
  for (const node of graph.nodes.toReversed()) {
    const { output } = node;
    if (!isElementwise(node) || sizeOf(output.shape) < large || outputs.has(output.id)) continue;
    if (largeLeaves(node, makers, large).size !== 1) continue;
    const own = nodes.indexOf(node);
    const readers = nodes.flatMap((reader, i) =>
      reader.inputs.some(({ id }) => id === output.id) ? [i] : [],
    );
    if (!readers.every((i) => isElementwise(nodes[i]!))) continue;
    const copies = new Map<number, Value>();
    const inserted: { at: number; copy: Node }[] = [];
    for (const i of readers) {
      const products = productsBetween(nodes, own, i);
      if (products === 0) continue;
      if (!copies.has(products)) {
        const copy: Node = { ...node, output: { ...output, id: nextId++ } };
        copies.set(products, copy.output);
        makers.set(copy.output.id, copy);
        inserted.push({ at: i, copy });
      }
      const copied = copies.get(products)!;
      const reader = nodes[i]!;
      const inputs = reader.inputs.map((value) => (value.id === output.id ? copied : value));
      nodes[i] = { ...reader, inputs };
      makers.set(reader.output.id, nodes[i]);
    }
    if (inserted.length === 0) continue;
    changed = true;
    for (const { at, copy } of inserted.toReversed()) nodes.splice(at, 0, copy);
  }
  return changed ? { ...graph, nodes: withoutUnread(nodes, outputs) } : graph;
}

/**
 * A large norm is made again for the gradient of each weight that was multiplied with it, where what it is of is held till then anyway. That is little
 * beside the product, and forward values wait longest for those.
 */
function withNormsRepeated(graph: Graph, large: number): Graph {
  const given = new Set(graph.inputs.map(({ value }) => value.id));
  const lastRead = new Map<number, number>();
  graph.nodes.forEach(({ inputs }, i) => inputs.forEach(({ id }) => lastRead.set(id, i)));
  const norms = new Map(
    graph.nodes
      .filter(({ op, output }) => NORMS.has(op) && sizeOf(output.shape) >= large)
      .map((node) => [node.output.id, node]),
  );
  if (norms.size === 0) return graph;
  let nextId = firstFreeId(graph);
  const nodes = graph.nodes.flatMap((node, i) => {
    const norm = node.op === 'weightGradient' ? norms.get(node.inputs[1]!.id) : undefined;
    const of = norm?.inputs[0]!.id;
    if (!norm || (!given.has(of!) && lastRead.get(of!)! < i)) return [node];
    const copy: Node = { ...norm, output: { ...norm.output, id: nextId++ } };
    return [copy, { ...node, inputs: [node.inputs[0]!, copy.output] }];
  });
  return { ...graph, nodes: withoutUnread(nodes, new Set(graph.outputs.map(({ value }) => value.id))) };
}

const NORMS = new Set(['layerNorm', 'rmsNorm']);

/** How many products stand between two nodes: readers with as many before them run at about the same time. */
function productsBetween(nodes: readonly Node[], from: number, to: number): number {
  let count = 0;
  for (let i = from + 1; i < to; i++) if (isProduct(nodes[i]!)) count += 1;
  return count;
}

/** Large values that an element-wise value is made of, through other element-wise ones of only one. */
function largeLeaves(node: Node, makers: ReadonlyMap<number, Node>, large: number): Set<number> {
  const leaves = new Set<number>();
  for (const { id, shape } of node.inputs) {
    if (sizeOf(shape) < large) continue;
    const maker = makers.get(id);
    const below = maker && isElementwise(maker) ? largeLeaves(maker, makers, large) : null;
    if (below?.size === 1) for (const leaf of below) leaves.add(leaf);
    else leaves.add(id);
  }
  return leaves;
}

function withoutUnread(nodes: readonly Node[], outputs: ReadonlySet<number>): Node[] {
  const read = new Set(outputs);
  return nodes
    .toReversed()
    .filter(({ inputs, output }) => {
      if (!read.has(output.id)) return false;
      for (const { id } of inputs) read.add(id);
      return true;
    })
    .toReversed();
}

const firstFreeId = ({ inputs, constants, nodes }: Graph): number =>
  1 +
  Math.max(
    -1,
    ...[...inputs, ...constants].map(({ value }) => value.id),
    ...nodes.map(({ output }) => output.id),
  );
