/** Graph → plan: pure, so that it can be tested and weighed without a device. */
import type { OpName } from '../../graph/ops/index.ts';
import { opNamed } from '../../graph/ops/index.ts';
import { sizeOf, type Graph, type Node } from '../../graph/types.ts';
import { isElementwise } from './elementwise.ts';
import { withLessMemory } from './less-memory.ts';
import { elementwiseChains, epilogues, normResiduals } from './fuse.ts';
import { copyStep, lowerChain } from './lowering/chain.ts';
import { lowerings } from './lowering/index.ts';
import { isProduct, lowerProduct } from './lowering/product.ts';
import { lowerNormGradient } from './lowering/rows.ts';
import { PlanBuilder, type Target } from './plan-builder.ts';
import { wholeView } from './view.ts';
import { withoutRepeats } from './repeats.ts';
import type { Limits, Plan, Style, Styles } from './plan.ts';

export interface CompileOptions {
  /** Run element-wise chains as one dispatch each, or at the end of the product before them; off to see each op on its own. Default true. */
  readonly fuse?: boolean;
  /** Default `tiled`. */
  readonly style?: Style;
  /** Default: all in `style`. */
  readonly styles?: Styles;
  /** Outputs that are added to memory of the caller's. */
  readonly sums?: readonly string[];
}

export function compilePlan(
  given: Graph,
  limits: Limits,
  { fuse = true, style = 'tiled', styles = {}, sums = [] }: CompileOptions = {},
): Plan {
  const graph = withLessMemory(withoutRepeats(given));
  const summed = new Set(sums);
  const targets = directOutputs(graph, summed);
  const to = new PlanBuilder(limits, { style, styles }, targets);
  for (const { name, value } of graph.inputs) to.input(name, value);
  graph.constants.forEach(({ value }, index) => {
    const block = to.block({ kind: 'constant', index }, 4 * sizeOf(value.shape), 'constant');
    to.setView(value, wholeView(block, value.shape));
  });

  const chains = fuse ? elementwiseChains(graph) : new Map<Node, Node[]>();
  const hosts = epilogues(graph, chains);
  const residuals = normResiduals(graph, chains, hosts);
  const inside = new Set([
    ...[...chains].flatMap(([root, nodes]) => nodes.filter((node) => node !== root)),
    ...hosts.values(),
    ...residuals.values(),
  ]);
  for (const node of graph.nodes) {
    if (inside.has(node)) continue;
    const chain = chains.get(node);
    const host = hosts.get(node);
    if (chain && host) lowerProduct(to, host, { nodes: chain });
    else if (residuals.has(node)) lowerNormGradient(to, residuals.get(node)!, node);
    else if (chain) lowerChain(to, chain);
    else lowerings[node.op as OpName](to, node);
  }

  // What no step writes straight to its output is copied there: inputs, views, and values that are two outputs.
  for (const { name, value } of graph.outputs) {
    const view = to.view(value);
    const source = to.blocks[view.block]!.source;
    const target = targetOf(name, summed);
    const direct =
      targets.get(value.id)?.name === name && source.kind === target.kind && source.name === name;
    if (direct) continue;
    const block = to.block(target, 4 * sizeOf(value.shape), name);
    copyStep(to, view, wholeView(block, value.shape), `output ${name}`);
  }
  const results = graph.outputs.map(({ name, value }) => ({ name, shape: value.shape }));
  return {
    name: graph.name,
    blocks: to.blocks,
    steps: to.steps,
    constants: graph.constants.map(({ data }) => data),
    outputs: results.filter(({ name }) => !summed.has(name)),
    sums: results.filter(({ name }) => summed.has(name)),
  };
}

/** Ops whose kernels can add to what is there. */
const adds = (node: Node): boolean => isElementwise(node) || isProduct(node) || node.op === 'reduceSum';

/** Ops whose result is a view of their input. */
const VIEWS = new Set(['reshape', 'transpose', 'expand', 'slice', 'dequantise']);

const targetOf = (name: string, sums: ReadonlySet<string>): Target => ({
  kind: sums.has(name) ? 'sum' : 'output',
  name,
});

/**
 * Values that are made by a step and go to an output, each with the first output. What is read again is not added to a sum where it is
 * made, as its reader would see the sum.
 */
function directOutputs(graph: Graph, sums: ReadonlySet<string>): Map<number, Target> {
  const made = new Set(
    graph.nodes.filter(({ op }) => opNamed(op) && !VIEWS.has(op)).map(({ output }) => output.id),
  );
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs.map(({ id }) => id)));
  const once = new Set<number>();
  const again = new Set<number>();
  for (const { value } of graph.outputs) (once.has(value.id) ? again : once).add(value.id);
  const makers = new Map(graph.nodes.map((node) => [node.output.id, node]));
  const targets = new Map<number, Target>();
  for (const { name, value } of graph.outputs) {
    if (!made.has(value.id) || targets.has(value.id)) continue;
    const own = !read.has(value.id) && !again.has(value.id) && adds(makers.get(value.id)!);
    if (sums.has(name) && !own) continue;
    targets.set(value.id, targetOf(name, sums));
  }
  return targets;
}
