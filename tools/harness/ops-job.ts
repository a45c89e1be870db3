import { vjp } from '../../src/model/graph/vjp.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { LORA_TRAINED, llamaBlockGraph, loraGraph, vitBlockGraph } from '../../tests/graph/block-cases.ts';
import { largestError } from '../../tests/graph/largest-error.ts';
import { opCases, type OpCase } from '../../tests/graph/op-cases.ts';

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
