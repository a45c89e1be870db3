import type { Graph, Node, Value } from '../../graph/types.ts';

/** The graph with what it computes more than once computed once: equal ops of equal inputs, such as the sines of every layer turned back. */
export function withoutRepeats(graph: Graph): Graph {
  const replaced = new Map<number, Value>();
  const made = new Map<string, Value>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => replaced.get(value.id) ?? value);
    const key = `${node.op} ${inputs.map(({ id }) => id).join()} ${JSON.stringify(node.attrs)}`;
    const known = made.get(key);
    if (known) {
      replaced.set(node.output.id, known);
      continue;
    }
    made.set(key, node.output);
    nodes.push({ ...node, inputs });
  }
  if (replaced.size === 0) return graph;
  const outputs = graph.outputs.map(({ name, value }) => ({ name, value: replaced.get(value.id) ?? value }));
  return { ...graph, nodes, outputs };
}
