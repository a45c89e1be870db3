import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/model/graph/builder.ts';
import type { Graph } from '../../../src/model/graph/types.ts';
import { vjp } from '../../../src/model/graph/vjp.ts';
import { compilePlan } from '../../../src/model/runtime/webgpu/compile.ts';
import { createOwnWebGpuRuntime } from '../../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { fuzzRuns } from '../../setup/fuzz.ts';
import { describeGpu } from '../../setup/gpu.ts';
import { largestError } from '../../graph/largest-error.ts';

const dim = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(16, 31, 33, 36, 64, 70));

/** Graphs of one op each, of any sizes, forward and backward. */
const graphs = fc
  .record({
    op: fc.constantFrom('linear', 'packed', 'matMul', 'norms', 'attention', 'layout', 'sums'),
    rows: dim,
    columns: dim,
    depth: dim,
    heads: fc.constantFrom(1, 2, 4),
    start: fc.nat(),
  })
  .map(({ op, rows, columns, depth, heads, start }): { graph: Graph; wrt: string[] } => {
    const g = new GraphBuilder(`${op} ${rows} ${columns} ${depth} ${heads}`);
    const wrt = ['x'];
    if (op === 'linear' || op === 'packed') {
      const dtype = op === 'linear' ? 'float32' : heads === 1 ? 'q4' : 'q8';
      const x = g.input('x', [rows, depth]);
      g.output('y', g.gelu(g.linear(x, g.input('w', [columns, depth], dtype), g.input('b', [columns]))));
      wrt.push('b');
      if (dtype === 'float32') wrt.push('w');
    } else if (op === 'matMul') {
      g.output('y', g.matMul(g.input('x', [heads, rows, depth]), g.input('b', [2, 1, depth, columns])));
      wrt.push('b');
    } else if (op === 'norms') {
      const [w, b] = [g.input('w', [depth]), g.input('b', [depth])];
      g.output('y', g.softmax(g.layerNorm(g.rmsNorm(g.input('x', [rows, depth]), w, 1e-3), w, b, 1e-3)));
      wrt.push('w', 'b');
    } else if (op === 'attention') {
      const width = heads * 2 * Math.ceil(depth / 2);
      const x = g.input('x', [2, rows, 3 * width]);
      const tables = [
        g.input('cos', [rows, width / heads / 2]),
        g.input('sin', [rows, width / heads / 2]),
      ] as const;
      const [q, k, v] = [0, 1, 2].map((i) => g.slice(x, 2, i * width, (i + 1) * width));
      g.output('y', g.attention(g.rope(q!, ...tables, heads), k!, v!, { heads, scale: 0.3 }));
    } else if (op === 'layout') {
      const x = g.input('x', [rows, columns, 2]);
      const from = start % rows;
      const part = g.slice(x, 0, from, from + 1 + ((start >> 8) % (rows - from)));
      const padded = g.pad(g.transpose(part, [1, 0, 2]), 1, heads, 1);
      g.output('y', g.concat([padded, padded], 0));
    } else {
      const x = g.input('x', [rows, columns, depth]);
      g.output('y', g.add(g.reduceSum(x, [0, 2]), g.reduceSum(g.mul(x, x), [heads === 4 ? 1 : 2])));
    }
    return { graph: g.build(), wrt };
  });

describeGpu('fuzzed shapes', (device) => {
  it('are computed right, and nothing is written outside of tensors', async () => {
    const runtime = createOwnWebGpuRuntime(device, { guard: true });
    await fc.assert(
      fc.asyncProperty(graphs, async ({ graph, wrt }) => {
        for (const tested of [graph, vjp(graph, { wrt })])
          expect(await largestError(runtime, tested, [-1, 1]), tested.name).toBeLessThan(1e-4);
      }),
      { numRuns: fuzzRuns(12), seed: 3 },
    );
    expect(runtime.live.tensors).toBe(0);
  }, 180_000);

  it('would be found out: a kernel told to write one element too many', async () => {
    const runtime = createOwnWebGpuRuntime(device, { guard: true });
    const g = new GraphBuilder('exp');
    g.output('y', g.exp(g.input('x', [3, 5])));
    const graph = g.build();
    const plan = compilePlan(graph, device.limits, { style: 'direct' });
    const [step] = plan.steps;
    // The first uniform is the number of elements.
    const spoilt = { ...step!, params: [['u32', 16] as const, ...step!.params.slice(1)] };
    const program = await runtime.compilePlanned(graph, { ...plan, steps: [spoilt] });
    const x = runtime.upload(new Float32Array(15), [3, 5]);
    await expect(program.run({ x })).rejects.toThrow('Something was written 0 bytes after y');
    x.dispose();
  });
});
