/** Which element-wise nodes run as one dispatch. */
import { sameShape } from '../../graph/shape-check.ts';
import type { Graph, Node } from '../../graph/types.ts';
import { isElementwise } from './elementwise.ts';
import { CHAIN_INPUTS, CHAIN_LENGTH } from './lowering/chain.ts';
import { FINISH_INPUTS, FINISH_LENGTH, finishMode, isProduct } from './lowering/product.ts';

/**
 * Chains by their last node, each in the graph's order. A node joins a chain where all that read it are in
 * it: its result is never stored. One that has fewer elements than the chain is computed for each of them.
 */
export function elementwiseChains(graph: Graph): Map<Node, Node[]> {
  const makers = new Map(graph.nodes.map((node, index) => [node.output.id, index]));
  const readers = readersOf(graph);
  const kept = new Set(graph.outputs.map(({ value }) => value.id));
  const done = new Set<Node>();
  const chains = new Map<Node, Node[]>();
  for (const root of graph.nodes.toReversed()) {
    if (done.has(root) || !isElementwise(root)) continue;
    const chain = new Set([root]);
    // Latest first, so that whoever reads a node has been asked before it.
    const candidates = new Set(indicesOf(root, makers));
    while (candidates.size > 0) {
      const index = Math.max(...candidates);
      candidates.delete(index);
      const node = graph.nodes[index]!;
      const joins =
        isElementwise(node) &&
        !done.has(node) &&
        !kept.has(node.output.id) &&
        readers.get(node.output.id)!.every((reader) => chain.has(reader)) &&
        fits(new Set([...chain, node]));
      if (!joins) continue;
      chain.add(node);
      for (const from of indicesOf(node, makers)) candidates.add(from);
    }
    for (const node of chain) done.add(node);
    chains.set(
      root,
      graph.nodes.filter((node) => chain.has(node)),
    );
  }
  return chains;
}

function indicesOf(node: Node, makers: ReadonlyMap<number, number>): number[] {
  return node.inputs.flatMap(({ id }) => makers.get(id) ?? []);
}

function fits(chain: ReadonlySet<Node>): boolean {
  const made = new Set([...chain].map(({ output }) => output.id));
  const read = new Set(
    [...chain].flatMap(({ inputs }) => inputs.map(({ id }) => id).filter((id) => !made.has(id))),
  );
  return chain.size <= CHAIN_LENGTH && read.size <= CHAIN_INPUTS;
}

/**
 * Products that a chain is the epilogue of, by the chain's last node: nobody else reads their result, it has the chain's shape, and
 * what else the chain reads is as large, one number, or one number a column.
 */
export function epilogues(graph: Graph, chains: ReadonlyMap<Node, readonly Node[]>): Map<Node, Node> {
  const makers = new Map(graph.nodes.map((node) => [node.output.id, node]));
  const order = new Map(graph.nodes.map((node, index) => [node, index]));
  const readers = readersOf(graph);
  const kept = new Set(graph.outputs.map(({ value }) => value.id));
  const found = new Map<Node, Node>();
  for (const [root, chain] of chains) {
    const made = new Set(chain.map(({ output }) => output.id));
    const read = new Map(
      chain.flatMap(({ inputs }) =>
        inputs.filter(({ id }) => !made.has(id)).map((value) => [value.id, value]),
      ),
    );
    const hosts = [...read.keys()]
      .flatMap((id) => makers.get(id) ?? [])
      .filter(
        (node) =>
          isProduct(node) &&
          !kept.has(node.output.id) &&
          sameShape(node.output.shape, root.output.shape) &&
          readers.get(node.output.id)!.every((reader) => chain.includes(reader)),
      );
    const host = hosts.toSorted((a, b) => order.get(b)! - order.get(a)!)[0];
    if (!host) continue;
    const hasBias = host.op === 'linear' && host.inputs.length === 3;
    const room = hasBias ? 1 : 0;
    const columns = root.output.shape.at(-1)!;
    const others = [...read.values()].filter(({ id }) => id !== host.output.id);
    const fit =
      chain.length + room <= FINISH_LENGTH &&
      others.length + room <= FINISH_INPUTS &&
      others.every(({ shape }) => finishMode(shape, root.output.shape, columns) !== null);
    if (fit) found.set(root, host);
  }
  return found;
}

function readersOf(graph: Graph): Map<number, Node[]> {
  const readers = new Map<number, Node[]>();
  for (const node of graph.nodes) {
    for (const { id } of node.inputs) {
      const known = readers.get(id);
      if (known) known.push(node);
      else readers.set(id, [node]);
    }
  }
  return readers;
}

/**
 * Gradients of norms to which something as large is added at once, by the addition: the gradient that goes past the norm.
 * @param products what has become the epilogue of a product already
 */
export function normResiduals(
  graph: Graph,
  chains: ReadonlyMap<Node, readonly Node[]>,
  products: ReadonlyMap<Node, Node>,
): Map<Node, Node> {
  const makers = new Map(graph.nodes.map((node) => [node.output.id, node]));
  const order = new Map(graph.nodes.map((node, index) => [node, index]));
  const readers = readersOf(graph);
  const kept = new Set(graph.outputs.map(({ value }) => value.id));
  const found = new Map<Node, Node>();
  for (const [root, chain] of chains) {
    if (chain.length > 1 || root.op !== 'add' || products.has(root)) continue;
    const hosts = root.inputs.flatMap(({ id }) => makers.get(id) ?? []);
    const host = hosts.find(
      ({ op, output }) =>
        NORM_GRADIENTS.has(op) &&
        !kept.has(output.id) &&
        readers.get(output.id)!.length === 1 &&
        root.inputs.every(({ shape }) => sameShape(shape, root.output.shape)),
    );
    if (host && root.inputs[0]!.id !== root.inputs[1]!.id && order.get(host)! < order.get(root)!)
      found.set(root, host);
  }
  return found;
}

const NORM_GRADIENTS = new Set(['layerNormGradient', 'rmsNormGradient']);
