import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import type { Graph } from '../../src/model/graph/types.ts';
import { gradientName, vjp } from '../../src/model/graph/vjp.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import { decodeFloat32, encodeTensor, type Encoding } from '../../src/model/weights/encoding.ts';
import type { Tensors } from '../../src/model/runtime/runtime.ts';
import { LORA_TRAINED, llamaBlockGraph, loraGraph, vitBlockGraph } from './block-cases.ts';
import { randomFeeds, randomNumbers } from './op-cases.ts';

const STEP = 1e-5;

/** Gradient of Σ seed · y with respect to one input, by central differences in float64. */
function numericGradient(
  graph: Graph,
  feeds: Record<string, ArrayLike<number>>,
  seed: Float32Array,
  name: string,
): number[] {
  const loss = (input: Float64Array) =>
    evaluate(graph, { ...feeds, [name]: input })['y']!.data.reduce((sum, v, i) => sum + v * seed[i]!, 0);
  const input = Float64Array.from(feeds[name]!);
  return Array.from(
    input,
    (value, i) => (loss(input.with(i, value + STEP)) - loss(input.with(i, value - STEP))) / (2 * STEP),
  );
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!) / (1 + Math.abs(b[i]!));
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

describe('backward graphs of whole blocks against finite differences', () => {
  it.each([
    ['LLaMA layer', llamaBlockGraph('float32')],
    ['ViT block', vitBlockGraph()],
  ])('%s', (_, graph) => {
    const feeds = randomFeeds(graph, [-1, 1]);
    const wrt = graph.inputs.map(({ name }) => name).filter((name) => !['cos', 'sin', 'bias'].includes(name));
    const seed = randomNumbers(
      graph.outputs[0]!.value.shape.reduce((a, b) => a * b, 1),
      5,
      [-1, 1],
    );
    const backward = vjp(graph, { wrt });
    const all: Record<string, Float32Array> = { ...feeds, [gradientName('y')]: seed };
    const grads = evaluate(
      backward,
      Object.fromEntries(backward.inputs.map(({ name }) => [name, all[name]!])),
    );
    for (const name of wrt) {
      const difference = largestDifference(
        grads[gradientName(name)]!.data,
        numericGradient(graph, feeds, seed, name),
      );
      expect(difference, name).toBeLessThan(1e-6);
    }
  });
});

describe('LoRA merged into the weight', () => {
  it('is the path beside it, forwards and back', () => {
    const [path, merged] = [false, true].map((how) =>
      vjp(loraGraph('float32', how), { wrt: LORA_TRAINED, keep: ['y'] }),
    );
    expect(merged!.nodes.map(({ op }) => op)).toContain('dequantise');
    expect(path!.nodes.map(({ op }) => op)).not.toContain('dequantise');
    const feeds = randomFeeds(path!, [-1, 1]);
    const [expected, found] = [evaluate(path!, feeds), evaluate(merged!, feeds)];
    for (const [name, { data }] of Object.entries(expected))
      expect(largestDifference(found[name]!.data, data), name).toBeLessThan(1e-12);
  });
});

describe('packed weights forward and backward on onnxruntime, over the same bytes', () => {
  it.each<[string, Encoding, Graph, string[]]>([
    ['LLaMA layer in q8', 'q8', llamaBlockGraph('q8'), ['x']],
    ['LLaMA layer in q4', 'q4', llamaBlockGraph('q4'), ['x']],
    ['LoRA merged into q8', 'q8', loraGraph('q8', true), LORA_TRAINED],
    ['LoRA merged into q4', 'q4', loraGraph('q4', true), LORA_TRAINED],
  ])('%s', async (_, encoding, graph, wrt) => {
    const backward = vjp(graph, { wrt, keep: ['y'] });
    const feeds = randomFeeds(backward, [-1, 1]);
    const runtime = await createNodeRuntime({ threads: 1 });
    const bound: Tensors = {};
    const exact: Record<string, ArrayLike<number>> = {};
    for (const { name, value } of backward.inputs) {
      const values = Float32Array.from(feeds[name]!);
      if (value.dtype === 'float32') {
        bound[name] = runtime.upload(values, value.shape);
        exact[name] = values;
      } else {
        const packed = encodeTensor(name, value.shape, values, encoding);
        bound[name] = runtime.uploadWeight(packed);
        exact[name] = decodeFloat32(packed);
      }
    }
    const expected = evaluate(backward, exact);
    const outputs = await (await runtime.compile(backward)).run(bound);
    for (const [name, tensor] of Object.entries(outputs)) {
      expect(largestDifference(await runtime.read(tensor), expected[name]!.data), name).toBeLessThan(5e-6);
    }
    await runtime.dispose();
  });
});
