import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/model/graph/builder.ts';
import { evaluate } from '../../../src/model/graph/evaluate.ts';
import { vjp } from '../../../src/model/graph/vjp.ts';
import { compilePlan } from '../../../src/model/runtime/webgpu/compile.ts';
import { withLessMemory } from '../../../src/model/runtime/webgpu/less-memory.ts';
import { planMemory } from '../../../src/model/runtime/webgpu/memory-plan.ts';
import { withoutRepeats } from '../../../src/model/runtime/webgpu/repeats.ts';
import { llamaBlockGraph, vitBlockGraph } from '../../graph/block-cases.ts';
import { randomFeeds } from '../../graph/op-cases.ts';

const limits = { maxComputeWorkgroupsPerDimension: 65535, maxStorageBufferBindingSize: 2 ** 31 };

/** LLaMA's MLP with trained weights, and back: rows · width numbers in each large value. */
function mlpBackward(rows: number, hidden: number, width: number) {
  const g = new GraphBuilder('mlp');
  const x = g.input('x', [rows, hidden]);
  const gate = g.linear(x, g.input('gate', [width, hidden]));
  const up = g.linear(x, g.input('up', [width, hidden]));
  g.output('y', g.linear(g.mul(g.silu(gate), up), g.input('down', [hidden, width])));
  return vjp(g.build(), { wrt: ['x', 'gate', 'up', 'down'] });
}

describe('work ordered and repeated for less memory', () => {
  it.each([
    ['an MLP back', mlpBackward(6, 5, 7)],
    ['a LLaMA block', llamaBlockGraph('float32')],
    ['a LLaMA block back', vjp(llamaBlockGraph('float32'), { wrt: ['x'] })],
    ['a ViT block back', vjp(vitBlockGraph(), { wrt: ['x', 'attn.qkv.weight'] })],
  ])('computes the same, to the bit: %s', (_, graph) => {
    const feeds = randomFeeds(graph, [-1, 1]);
    const before = evaluate(graph, feeds);
    const after = evaluate(withLessMemory(withoutRepeats(graph), 1), feeds);
    for (const [name, { data }] of Object.entries(before)) expect(after[name]!.data).toEqual(data);
  });

  it('holds gate, up, and three gradients of as many numbers, and not SiLU’s parts beside them', () => {
    const [rows, hidden, width] = [256, 64, 8192];
    const { pages } = planMemory(compilePlan(mlpBackward(rows, hidden, width), limits));
    const large = 4 * rows * width;
    expect(pages.reduce((sum, size) => sum + size, 0) / large).toBe(5);
  });

  it('leaves small graphs as they are, of which each dispatch counts', () => {
    const graph = withoutRepeats(mlpBackward(6, 5, 7));
    expect(withLessMemory(graph).nodes).toHaveLength(graph.nodes.length);
    expect(withLessMemory(graph, 1).nodes.length).toBeGreaterThan(graph.nodes.length);
  });
});
