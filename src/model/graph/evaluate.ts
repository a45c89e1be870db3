import { ModelError } from '../../base/errors.ts';
import type { Dense } from './op.ts';
import { opNamed } from './ops/index.ts';
import { sizeOf, type Graph } from './types.ts';

/**
 * Computes a graph in float64 with plain loops: the oracle that the executors and the VJP are tested against.
 * Quantised inputs are given dequantised. Slow on purpose; in the product
 * only the self-check of kernels uses it, on graphs of a few thousand numbers.
 */
export function evaluate(graph: Graph, feeds: Record<string, ArrayLike<number>>): Record<string, Dense> {
  const values = new Map<number, Dense>();
  for (const { name, value } of graph.inputs) {
    const data = feeds[name];
    if (data?.length !== sizeOf(value.shape)) {
      const found = data ? `${data.length} numbers` : 'nothing';
      throw new ModelError(
        'bad-shape',
        `${graph.name}: input "${name}" got ${found}, expected [${value.shape.join(', ')}].`,
      );
    }
    values.set(value.id, { shape: value.shape, data: Float64Array.from(data) });
  }
  for (const { value, data } of graph.constants) {
    values.set(value.id, { shape: value.shape, data: Float64Array.from(data) });
  }
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((input) => values.get(input.id)!);
    const data = opNamed(node.op).evaluate(inputs, node.attrs, node.output.shape);
    values.set(node.output.id, { shape: node.output.shape, data });
  }
  return Object.fromEntries(graph.outputs.map(({ name, value }) => [name, values.get(value.id)!]));
}
