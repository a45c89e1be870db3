import { ModelError } from '../../base/errors.ts';
import { GraphBuilder } from './builder.ts';
import { opNamed, type OpName } from './ops/index.ts';
import type { Graph, NamedValue, Value } from './types.ts';

export interface VjpOptions {
  /** Names of the graph's inputs whose gradients are wanted. */
  readonly wrt: readonly string[];
  /** Outputs of the forward graph that get a gradient; default: all of them. */
  readonly outputs?: readonly string[];
  /** Forward outputs to give back as well (a loss, say). */
  readonly keep?: readonly string[];
  /** Use ops that are gradients, for an executor that has them (`Runtime.fusedGradients`). Default false. */
  readonly fused?: boolean;
}

/** Name of the input that carries the gradient of the forward output `name`, and of the output for input `name`. */
export const gradientName = (name: string): string => `grad.${name}`;

/**
 * The backward graph of `graph` (reverse-mode vector-Jacobian product).
 *
 * Inputs: those of the forward graph that are still read, plus `grad.<output>` per output, of its shape.
 * Outputs: `grad.<input>` for each name in `wrt`. The forward pass is computed again inside, so nothing has to be kept between
 * the two but the inputs: gradient checkpointing at the graph's border.
 *
 * @throws ModelError `bad-shape` for an unknown name, or an input no output depends on.
 */
export function vjp(graph: Graph, options: VjpOptions): Graph {
  const g = new GraphBuilder(`${graph.name}.backward`);
  const copies = new Map<number, Value>();
  for (const { name, value } of graph.inputs) copies.set(value.id, g.input(name, value.shape, value.dtype));
  for (const { value, data } of graph.constants) copies.set(value.id, g.constant(data, value.shape));

  const wanted = options.wrt.map((name) => named(graph.inputs, name, graph.name));
  const differentiable = reachable(graph, wanted);
  const forward = graph.nodes.map((node) => {
    const inputs = node.inputs.map((input) => copies.get(input.id)!);
    const output = g.apply(node.op as OpName, inputs, node.attrs);
    copies.set(node.output.id, output);
    return { node, copy: { op: node.op, inputs, attrs: node.attrs, output } };
  });

  const grads = new Map<number, Value>();
  const accumulate = (id: number, grad: Value) => {
    const sum = grads.get(id);
    grads.set(id, sum ? g.add(sum, grad) : grad);
  };
  const seeds = options.outputs ?? graph.outputs.map(({ name }) => name);
  for (const name of seeds) {
    const { value } = named(graph.outputs, name, graph.name);
    accumulate(value.id, g.input(gradientName(name), value.shape));
  }

  for (const { node, copy } of forward.toReversed()) {
    const dy = grads.get(node.output.id);
    if (!dy || !differentiable.has(node.output.id)) continue;
    const needs = node.inputs.map((input) => differentiable.has(input.id));
    const inputGrads = opNamed(node.op).vjp(g, copy, dy, needs, options.fused ?? false);
    node.inputs.forEach((input, i) => {
      const grad = inputGrads[i];
      if (needs[i] && grad) accumulate(input.id, grad);
    });
  }

  for (const name of options.keep ?? [])
    g.output(name, copies.get(named(graph.outputs, name, graph.name).value.id)!);
  for (const { name, value } of wanted) {
    const grad = grads.get(value.id);
    if (!grad) throw new ModelError('bad-shape', `${graph.name}: no output depends on the input "${name}".`);
    g.output(gradientName(name), grad);
  }
  return g.build();
}

function named(list: readonly NamedValue[], name: string, graph: string): NamedValue {
  const found = list.find((entry) => entry.name === name);
  if (!found) {
    const known = list.map((entry) => entry.name).join(', ');
    throw new ModelError('bad-shape', `${graph} has no "${name}"; it has ${known}.`);
  }
  return found;
}

/** Ids of the values that depend on one of `from`. */
function reachable(graph: Graph, from: readonly NamedValue[]): Set<number> {
  const ids = new Set(from.map(({ value }) => value.id));
  for (const node of graph.nodes) {
    if (node.inputs.some((input) => ids.has(input.id))) ids.add(node.output.id);
  }
  return ids;
}
