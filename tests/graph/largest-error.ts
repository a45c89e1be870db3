import { evaluate } from '../../src/model/graph/evaluate.ts';
import type { Graph } from '../../src/model/graph/types.ts';
import type { Runtime, Tensors } from '../../src/model/runtime/runtime.ts';
import { decodeFloat32, encodeTensor } from '../../src/model/weights/encoding.ts';
import { randomFeeds } from './op-cases.ts';

/** Largest |ours − float64| / (1 + |float64|) over all outputs of a graph on random inputs; packed weights by their bytes. */
export async function largestError(runtime: Runtime, graph: Graph, range: [number, number]): Promise<number> {
  const feeds = randomFeeds(graph, range);
  const bound: Tensors = {};
  const exact: Record<string, ArrayLike<number>> = {};
  for (const { name, value } of graph.inputs) {
    const values = Float32Array.from(feeds[name]!);
    if (value.dtype === 'float32') {
      bound[name] = runtime.upload(values, value.shape);
      exact[name] = values;
    } else {
      const packed = encodeTensor(name, value.shape, values, value.dtype);
      bound[name] = runtime.uploadWeight(packed);
      exact[name] = decodeFloat32(packed);
    }
  }
  const program = await runtime.compile(graph);
  const outputs = await program.run(bound);
  const expected = evaluate(graph, exact);
  let worst = 0;
  for (const [name, tensor] of Object.entries(outputs)) {
    const ours = await runtime.read(tensor);
    expected[name]!.data.forEach((v, i) => {
      // Math.max keeps a NaN whatever comes after it.
      worst = Math.max(worst, Math.abs(ours[i]! - v) / (1 + Math.abs(v)));
    });
    tensor.dispose();
  }
  for (const tensor of Object.values(bound)) tensor.dispose();
  await program.dispose();
  return worst;
}
