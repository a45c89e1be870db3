/** Graph → plan: pure, so that it can be tested and weighed without a device. */
import type { OpName } from '../../graph/ops/index.ts';
import { opNamed } from '../../graph/ops/index.ts';
import { sizeOf, type Graph, type Node } from '../../graph/types.ts';
import { elementwiseChains, epilogues } from './fuse.ts';
import { copyStep, lowerChain } from './lowering/chain.ts';
import { lowerings } from './lowering/index.ts';
import { lowerProduct } from './lowering/product.ts';
import { PlanBuilder } from './plan-builder.ts';
import { wholeView } from './view.ts';
import type { Limits, Plan, Style } from './plan.ts';

export interface CompileOptions {
  /** Run element-wise chains as one dispatch each, or at the end of the product before them; off to see each op on its own. Default true. */
  readonly fuse?: boolean;
  /** Default `tiled`. */
  readonly style?: Style;
}

export function compilePlan(
  graph: Graph,
  limits: Limits,
  { fuse = true, style = 'tiled' }: CompileOptions = {},
): Plan {
  const targets = directOutputs(graph);
  const to = new PlanBuilder(limits, style, targets);
  for (const { name, value } of graph.inputs) to.input(name, value);
  graph.constants.forEach(({ value }, index) => {
    const block = to.block({ kind: 'constant', index }, 4 * sizeOf(value.shape), 'constant');
    to.setView(value, wholeView(block, value.shape));
  });

  const chains = fuse ? elementwiseChains(graph) : new Map<Node, Node[]>();
  const hosts = epilogues(graph, chains);
  const inside = new Set([
    ...[...chains].flatMap(([root, nodes]) => nodes.filter((node) => node !== root)),
    ...hosts.values(),
  ]);
  for (const node of graph.nodes) {
    if (inside.has(node)) continue;
    const chain = chains.get(node);
    const host = hosts.get(node);
    if (chain && host) lowerProduct(to, host, { nodes: chain });
    else if (chain) lowerChain(to, chain);
    else lowerings[node.op as OpName](to, node);
  }

  // What no step writes straight to its output is copied there: inputs, views, and values that are two outputs.
  for (const { name, value } of graph.outputs) {
    const view = to.view(value);
    const source = to.blocks[view.block]!.source;
    if (targets.get(value.id) === name && source.kind === 'output' && source.name === name) continue;
    const block = to.block({ kind: 'output', name }, 4 * sizeOf(value.shape), name);
    copyStep(to, view, wholeView(block, value.shape), `output ${name}`);
  }
  return {
    name: graph.name,
    blocks: to.blocks,
    steps: to.steps,
    constants: graph.constants.map(({ data }) => data),
    outputs: graph.outputs.map(({ name, value }) => ({ name, shape: value.shape })),
  };
}

/** Ops whose result is a view of their input. */
const VIEWS = new Set(['reshape', 'transpose', 'expand', 'slice', 'dequantise']);

/** Values that are made by a step and go to an output, each with the first output's name. */
function directOutputs(graph: Graph): Map<number, string> {
  const made = new Set(
    graph.nodes.filter(({ op }) => opNamed(op) && !VIEWS.has(op)).map(({ output }) => output.id),
  );
  const targets = new Map<number, string>();
  for (const { name, value } of graph.outputs) {
    if (made.has(value.id) && !targets.has(value.id)) targets.set(value.id, name);
  }
  return targets;
}
