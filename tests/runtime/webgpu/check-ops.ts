import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/model/graph/builder.ts';
import { evaluate } from '../../../src/model/graph/evaluate.ts';
import { sizeOf, type Graph } from '../../../src/model/graph/types.ts';
import { vjp } from '../../../src/model/graph/vjp.ts';
import type { Style } from '../../../src/model/runtime/webgpu/plan.ts';
import { createOwnWebGpuRuntime } from '../../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { LORA_TRAINED, llamaBlockGraph, loraGraph, vitBlockGraph } from '../../graph/block-cases.ts';
import { fullyMasked, opCases, pastNorms, randomFeeds } from '../../graph/op-cases.ts';
import { withoutGpuErrors } from '../../setup/gpu.ts';
import { largestError } from '../../graph/largest-error.ts';

const FUSED = new Set(['attentionStatistics', 'layerNormGradient', 'rmsNormGradient']);

/** float32 against float64 on sums of at most a few dozen terms of size one. */
const TOLERANCE = 5e-6;

const blocks: { name: string; graph: Graph; wrt: string[]; range: [number, number] }[] = [
  { name: 'ViT block', graph: vitBlockGraph(), wrt: ['x'], range: [-1, 1] },
  ...(['float32', 'q8', 'q4'] as const).map((dtype) => ({
    name: `LLaMA layer in ${dtype}`,
    graph: llamaBlockGraph(dtype),
    wrt: ['x'],
    range: [-1, 1] as [number, number],
  })),
  ...(['q8', 'q4'] as const).map((dtype) => ({
    name: `LoRA merged into ${dtype}`,
    graph: loraGraph(dtype, true),
    wrt: LORA_TRAINED,
    range: [-1, 1] as [number, number],
  })),
];

/** By products and sums and, where there are any, by ops that are gradients; of blocks, which take longer, by the latter alone. */
function backwardGraphs(graph: Graph, wrt: readonly string[]): Graph[] {
  // A bias has its gradient by products only.
  const fused = vjp(graph, { wrt: wrt.filter((name) => name !== 'bias'), fused: true });
  const isFused = fused.nodes.some(({ op }) => FUSED.has(op));
  const isBlock = blocks.some((block) => block.graph === graph);
  return [...(isFused ? [fused] : []), ...(isFused && isBlock ? [] : [vjp(graph, { wrt })])];
}

/** Registers a test per op and per block: forward and backward on our executor against the float64 evaluator. */
export function checkOps(device: GPUDevice, style: Style): void {
  const runtime = createOwnWebGpuRuntime(device, { style });
  it.each([...opCases, fullyMasked, pastNorms, ...blocks])(
    '$name: forward and backward',
    async ({ graph, wrt, range }) => {
      await withoutGpuErrors(device, async () => {
        for (const each of [graph, ...backwardGraphs(graph, wrt)])
          expect(await largestError(runtime, each, range), each.name).toBeLessThan(TOLERANCE);
      });
      expect(runtime.live.tensors).toBe(0);
    },
  );

  it('adds outputs to what is there: products, sums, chains, views, and values that are read again', async () => {
    const g = new GraphBuilder('sums');
    const [x, dy] = [g.input('x', [5, 7]), g.input('dy', [5, 3])];
    const read = g.exp(dy);
    const outputs = {
      product: g.scale(g.weightGradient(dy, x), 0.5),
      reduced: g.reduceSum(dy, [0]),
      chain: g.mul(x, x),
      view: g.transpose(x, [1, 0]),
      read,
      norm: g.softmax(x),
    };
    for (const [name, value] of Object.entries(outputs)) g.output(name, value);
    g.output('made', g.scale(read, 2));
    const graph = g.build();
    const feeds = randomFeeds(graph, [-1, 1]);
    const expected = evaluate(graph, feeds);
    const program = await runtime.compile(graph, { sums: Object.keys(outputs) });
    const bound = Object.fromEntries(
      graph.inputs.map(({ name, value }) => [name, runtime.upload(feeds[name]!, value.shape)]),
    );
    const sums = Object.fromEntries(
      Object.entries(outputs).map(([name, { shape }]) => [
        name,
        runtime.upload(new Float32Array(sizeOf(shape)).fill(1), shape),
      ]),
    );
    for (let run = 0; run < 2; run++) {
      const { made, ...others } = await program.run(bound, sums);
      expect(others).toEqual({});
      made!.dispose();
    }
    for (const [name, sum] of Object.entries(sums)) {
      const twice = [...expected[name]!.data].map((value) => 1 + 2 * value);
      const off = [...(await runtime.read(sum))].map((value, i) => Math.abs(value - twice[i]!));
      expect(Math.max(...off), name).toBeLessThan(TOLERANCE);
    }
    for (const tensor of [...Object.values(bound), ...Object.values(sums)]) tensor.dispose();
    expect(runtime.live.tensors).toBe(0);
    await program.dispose();
  });
}
