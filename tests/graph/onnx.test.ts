import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import { toOnnx } from '../../src/model/graph/onnx.ts';
import type { Graph } from '../../src/model/graph/types.ts';
import { vjp } from '../../src/model/graph/vjp.ts';
import { opCases, randomFeeds } from './op-cases.ts';

/** float32 against float64 on sums of at most a few dozen terms of size one. */
const FLOAT32_TOLERANCE = 5e-6;

/** Largest |ours − reference| / (1 + |reference|) over all outputs. */
async function largestError(graph: Graph, feeds: Record<string, Float32Array>): Promise<number> {
  const model = toOnnx(graph);
  const session = await ort.InferenceSession.create(model.bytes);
  const bound = Object.fromEntries(
    model.inputs.map((input) => [input.name, new ort.Tensor('float32', feeds[input.of]!, input.shape)]),
  );
  const results = await session.run(bound);
  await session.release();
  const expected = evaluate(graph, feeds);
  let worst = 0;
  for (const { name, shape } of model.outputs) {
    const ours = results[name]!.data as Float32Array;
    expect(results[name]!.dims).toEqual([...shape]);
    expected[name]!.data.forEach((v, i) => {
      const error = Math.abs(ours[i]! - v) / (1 + Math.abs(v));
      if (!(error <= worst)) worst = error;
    });
  }
  return worst;
}

describe('ONNX lowering on onnxruntime-node against the float64 evaluator', () => {
  it.each(opCases)('$name: forward and backward', async ({ graph, wrt, range }) => {
    const backward = vjp(graph, { wrt });
    expect(await largestError(graph, randomFeeds(graph, range))).toBeLessThan(FLOAT32_TOLERANCE);
    expect(await largestError(backward, randomFeeds(backward, range))).toBeLessThan(FLOAT32_TOLERANCE);
  });
});
