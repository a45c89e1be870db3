import { evaluate } from '../../src/model/graph/evaluate.ts';
import { vjp } from '../../src/model/graph/vjp.ts';
import type { Graph } from '../../src/model/graph/types.ts';
import type { Runtime, Tensors } from '../../src/model/runtime/runtime.ts';
import { decodeFloat32, encodeTensor } from '../../src/model/weights/encoding.ts';
import { LORA_TRAINED, llamaBlockGraph, loraGraph, vitBlockGraph } from '../../tests/graph/block-cases.ts';
import { opCases, randomFeeds, type OpCase } from '../../tests/graph/op-cases.ts';

export interface OpResult {
  name: string;
  /** Largest |ours − reference| / (1 + |reference|); null when the run failed. */
  error: number | null;
  message: string;
}

/** Every op, forward and backward, on one runtime against the float64 evaluator. */
export async function runOps(runtime: Runtime): Promise<OpResult[]> {
  const results: OpResult[] = [];
  for (const { name, graph, wrt, range } of [...opCases, ...blockCases]) {
    for (const [kind, tested] of [
      ['forward', graph],
      ['backward', vjp(graph, { wrt })],
    ] as const) {
      try {
        results.push({
          name: `${name}, ${kind}`,
          error: await largestError(runtime, tested, range),
          message: '',
        });
      } catch (error) {
        results.push({ name: `${name}, ${kind}`, error: null, message: String(error) });
      }
    }
  }
  results.push({ name: 'tensors left alive', error: runtime.live.tensors, message: '' });
  return results;
}

/** Whole blocks; packed weights run forward and backward over the same bytes. */
const blockCases: OpCase[] = [
  { name: 'ViT block', graph: vitBlockGraph(), wrt: ['x'], range: [-1, 1] },
  ...(['float32', 'q8', 'q4'] as const).map((dtype): OpCase => ({
    name: `LLaMA layer in ${dtype}`,
    graph: llamaBlockGraph(dtype),
    wrt: ['x'],
    range: [-1, 1],
  })),
  ...(['q8', 'q4'] as const).map((dtype): OpCase => ({
    name: `LoRA merged into ${dtype}`,
    graph: loraGraph(dtype, true),
    wrt: LORA_TRAINED,
    range: [-1, 1],
  })),
];

async function largestError(runtime: Runtime, graph: Graph, range: [number, number]): Promise<number> {
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
      worst = Math.max(worst, Math.abs(ours[i]! - v) / (1 + Math.abs(v)));
    });
    tensor.dispose();
  }
  for (const tensor of Object.values(bound)) tensor.dispose();
  await program.dispose();
  return worst;
}
