import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import { toOnnx } from '../../src/model/graph/onnx.ts';
import type { Graph } from '../../src/model/graph/types.ts';
import { vjp } from '../../src/model/graph/vjp.ts';
import { opCases, randomFeeds } from './op-cases.ts';

/** float32 against float64 on sums of at most a few dozen terms of size one. */
const FLOAT32_TOLERANCE = 5e-6;

async function expectSame(graph: Graph, feeds: Record<string, Float32Array>): Promise<void> {
  const model = toOnnx(graph);
  const session = await ort.InferenceSession.create(model.bytes);
  const bound = Object.fromEntries(
    model.inputs.map((input) => [input.name, new ort.Tensor('float32', feeds[input.of]!, input.shape)]),
  );
  const results = await session.run(bound);
  const expected = evaluate(graph, feeds);
  for (const { name } of model.outputs) {
    const ours = results[name]!.data as Float32Array;
    const theirs = expected[name]!.data;
    expect(results[name]!.dims).toEqual([...expected[name]!.shape]);
    ours.forEach((v, i) => {
      expect(Math.abs(v - theirs[i]!), `${name}[${i}]`).toBeLessThan(
        FLOAT32_TOLERANCE * (1 + Math.abs(theirs[i]!)),
      );
    });
  }
  await session.release();
}

describe('ONNX lowering on onnxruntime-node against the float64 evaluator', () => {
  it.each(opCases)('$name: forward and backward', async ({ graph, wrt, range }) => {
    await expectSame(graph, randomFeeds(graph, range));
    const backward = vjp(graph, { wrt });
    await expectSame(backward, randomFeeds(backward, range));
  });
});
