import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/model/graph/builder.ts';
import type { Graph } from '../../../src/model/graph/types.ts';
import { vjp } from '../../../src/model/graph/vjp.ts';
import { compilePlan } from '../../../src/model/runtime/webgpu/compile.ts';
import { llamaBlockGraph, vitBlockGraph } from '../../graph/block-cases.ts';

const LIMITS = { maxComputeWorkgroupsPerDimension: 65535, maxStorageBufferBindingSize: 2 ** 30 };

const notes = (graph: Graph): string[] => compilePlan(graph, LIMITS).steps.map(({ note }) => note);

function graphOf(build: (g: GraphBuilder) => void): Graph {
  const g = new GraphBuilder('test');
  build(g);
  return g.build();
}

describe('what a graph becomes', () => {
  it('moves no bytes for reshapes, transposes, slices and broadcasts', () => {
    const graph = graphOf((g) => {
      const x = g.input('x', [2, 6, 4]);
      const view = g.transpose(g.reshape(g.slice(x, 1, 1, 5), [2, 2, 2, 4]), [0, 2, 1, 3]);
      g.output('y', g.add(g.expand(g.input('b', [1, 1, 1, 4]), [2, 2, 2, 4]), view));
    });
    expect(notes(graph)).toEqual(['add']);
  });

  it('computes a chain of element-wise ops at once', () => {
    const graph = graphOf((g) => {
      const x = g.input('x', [3, 4]);
      g.output('y', g.mul(g.silu(x), g.exp(g.scale(x, 2))));
    });
    expect(notes(graph)).toEqual(['sigmoid mul scale exp mul']);
  });

  it('ends a linear layer with activation, gate and residual', () => {
    const graph = graphOf((g) => {
      const [x, w, b] = [g.input('x', [2, 3, 4]), g.input('w', [8, 4]), g.input('b', [8])];
      const gate = g.input('gate', [8]);
      g.output('y', g.add(g.input('r', [2, 3, 8]), g.mul(g.gelu(g.linear(x, w, b)), gate)));
    });
    expect(notes(graph)).toEqual(['linear gelu mul add']);
  });

  it('keeps a result that somebody else reads', () => {
    const graph = graphOf((g) => {
      const y = g.linear(g.input('x', [3, 4]), g.input('w', [8, 4]));
      g.output('y', y);
      g.output('z', g.gelu(y));
    });
    expect(notes(graph)).toEqual(['linear', 'gelu']);
  });

  it('runs a ViT block and a LLaMA layer in ten dispatches or so', () => {
    expect(notes(vitBlockGraph())).toEqual([
      'layerNorm',
      'linear',
      'attention',
      'linear',
      'linear',
      'linear',
      'mul add addScalar mul add',
      'layerNorm',
      'linear gelu',
      'linear mul add',
    ]);
    expect(notes(llamaBlockGraph('q4'))).toEqual([
      'rmsNorm',
      'linear',
      'rope',
      'linear',
      'rope',
      'linear',
      'attention',
      'linear add',
      'rmsNorm',
      'linear',
      'linear sigmoid mul mul',
      'linear add',
    ]);
  });

  it('goes back through a norm or through attention without a matrix of scores, and adds what goes past', () => {
    const graph = graphOf((g) => {
      const [x, w] = [g.input('x', [1, 5, 8]), g.input('w', [8])];
      const normed = g.rmsNorm(x, w, 1e-6);
      g.output('y', g.add(x, g.attention(normed, normed, normed, { heads: 2, scale: 0.5 })));
    });
    expect(notes(vjp(graph, { wrt: ['x'], fused: true }))).toEqual([
      'rmsNorm',
      'attentionStatistics',
      'attentionKeyValueGradient',
      'attentionQueryGradient',
      'add add',
      'rmsNormGradient add',
    ]);
  });

  it('computes once what is there twice', () => {
    const graph = graphOf((g) => {
      const [x, sin] = [g.input('x', [2, 3, 4]), g.input('sin', [3, 1])];
      const turned = [0, 1].map(() => g.rope(x, sin, g.scale(sin, -1), 2));
      g.output('y', g.matMul(turned[0]!, g.swapLast(turned[1]!)));
    });
    expect(notes(graph)).toEqual(['scale', 'rope', 'matMul']);
  });

  it('copies inputs that are outputs, and a value for each of its outputs', () => {
    const graph = graphOf((g) => {
      const x = g.input('x', [2, 2]);
      const y = g.exp(x);
      g.output('x again', x);
      g.output('y', y);
      g.output('y again', y);
    });
    expect(notes(graph)).toEqual(['exp', 'output x again', 'output y again']);
  });
});
