/** Which element-wise nodes run as one dispatch. */
import type { Graph, Node } from '../../graph/types.ts';
import { isElementwise } from './elementwise.ts';
import { CHAIN_INPUTS, CHAIN_LENGTH } from './lowering/chain.ts';

/**
 * Chains by the index of their last node, each in the graph's order. A node joins a chain where all that read it are in
 * it: its result is never stored. One that has fewer elements than the chain is computed for each of them.
 * @param taken nodes that something else computes
 */
export function elementwiseChains(graph: Graph, taken: ReadonlySet<Node> = new Set()): Map<Node, Node[]> {
  const makers = new Map(graph.nodes.map((node, index) => [node.output.id, index]));
  const readers = new Map<number, Node[]>();
  for (const node of graph.nodes) {
    for (const { id } of node.inputs) {
      const known = readers.get(id);
      if (known) known.push(node);
      else readers.set(id, [node]);
    }
  }
  const kept = new Set(graph.outputs.map(({ value }) => value.id));
  const done = new Set<Node>(taken);
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
