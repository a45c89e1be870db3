import { GraphBuilder } from '../../src/model/graph/builder.ts';
import type { Graph } from '../../src/model/graph/types.ts';

/** A small graph per op: its inputs are drawn from `range`, every output is differentiated. */
export interface OpCase {
  name: string;
  graph: Graph;
  /** Inputs that have a gradient. */
  wrt: string[];
  range: [number, number];
}

function opCase(
  name: string,
  wrt: string[],
  build: (g: GraphBuilder) => void,
  range: [number, number] = [-1.5, 1.5],
): OpCase {
  const g = new GraphBuilder(name);
  build(g);
  return { name, graph: g.build(), wrt, range };
}

export const opCases: OpCase[] = [
  ...(['add', 'sub', 'mul', 'div'] as const).map((op) =>
    opCase(
      `${op} with broadcasting`,
      ['a', 'b'],
      (g) => g.output('y', g[op](g.input('a', [2, 3, 4]), g.input('b', [3, 1]))),
      [0.5, 2],
    ),
  ),
  ...(['exp', 'relu', 'sigmoid', 'gelu', 'erf', 'silu'] as const).map((op) =>
    opCase(op, ['x'], (g) => g.output('y', g[op](g.input('x', [3, 5])))),
  ),
  ...(['log', 'sqrt'] as const).map((op) =>
    opCase(op, ['x'], (g) => g.output('y', g[op](g.input('x', [3, 5]))), [0.3, 2]),
  ),
  opCase('scale and addScalar', ['x'], (g) =>
    g.output('y', g.addScalar(g.scale(g.input('x', [4]), -2.5), 3)),
  ),
  opCase('linear with bias', ['x', 'w', 'b'], (g) =>
    g.output('y', g.linear(g.input('x', [2, 3, 5]), g.input('w', [4, 5]), g.input('b', [4]))),
  ),
  opCase('linear of one row', ['x', 'w'], (g) =>
    g.output('y', g.linear(g.input('x', [1]), g.input('w', [3, 1]))),
  ),
  opCase('linearTransposed', ['dy', 'w'], (g) =>
    g.output('y', g.linearTransposed(g.input('dy', [2, 3, 4]), g.input('w', [4, 5]))),
  ),
  opCase('weightGradient', ['dy', 'x'], (g) =>
    g.output('y', g.weightGradient(g.input('dy', [2, 3, 4]), g.input('x', [2, 3, 5]))),
  ),
  opCase('dequantise of a float32 weight, twice used', ['x', 'w'], (g) => {
    const weight = g.dequantise(g.input('w', [4, 5]));
    g.output('y', g.linear(g.input('x', [3, 5]), g.mul(weight, weight)));
  }),
  opCase('matMul with broadcast batch', ['a', 'b'], (g) =>
    g.output('y', g.matMul(g.input('a', [2, 3, 4, 5]), g.input('b', [3, 5, 2]))),
  ),
  opCase('softmax', ['x'], (g) => g.output('y', g.softmax(g.input('x', [3, 6])))),
  opCase('argMax, of equal ones the first', ['x'], (g) => {
    const x = g.input('x', [2, 3, 4]);
    const flat = g.step(g.addScalar(x, 9));
    g.output('y', g.add(g.sumLast(x), g.reshape(g.add(g.argMax(x), g.argMax(flat)), [2, 3, 1])));
  }),
  opCase('crossEntropy', ['x'], (g) =>
    g.output('y', g.crossEntropy(g.input('x', [2, 3, 5]), g.constant([0, 4, 1, 1, 2, 3], [2, 3]))),
  ),
  opCase('crossEntropy of a target whose probability float32 cannot hold', ['x'], (g) =>
    g.output('y', g.crossEntropy(g.scale(g.input('x', [4, 3]), 90), g.constant([0, 1, 2, 0], [4]))),
  ),
  opCase('abs, total and mean', ['x'], (g) => {
    const x = g.input('x', [3, 5]);
    g.output('y', g.add(g.mean(g.mul(x, x)), g.total(g.abs(x))));
  }),
  opCase('layerNorm', ['x', 'w', 'b'], (g) =>
    g.output('y', g.layerNorm(g.input('x', [2, 3, 7]), g.input('w', [7]), g.input('b', [7]), 1e-5)),
  ),
  opCase('rmsNorm', ['x', 'w'], (g) =>
    g.output('y', g.rmsNorm(g.input('x', [2, 3, 7]), g.input('w', [7]), 1e-6)),
  ),
  opCase('attention', ['q', 'k', 'v'], (g) =>
    g.output(
      'y',
      g.attention(g.input('q', [2, 3, 8]), g.input('k', [2, 5, 8]), g.input('v', [2, 5, 8]), {
        heads: 2,
        scale: 0.5,
      }),
    ),
  ),
  opCase('attention with bias and grouped heads', ['q', 'k', 'v', 'bias'], (g) =>
    g.output(
      'y',
      g.attention(g.input('q', [2, 3, 12]), g.input('k', [2, 5, 6]), g.input('v', [2, 5, 6]), {
        heads: 4,
        kvHeads: 2,
        scale: 0.6,
        bias: g.input('bias', [2, 1, 3, 5]),
      }),
    ),
  ),
  opCase('rope', ['x'], (g) =>
    g.output('y', g.rope(g.input('x', [2, 3, 12]), g.input('cos', [3, 3]), g.input('sin', [3, 3]), 2)),
  ),
  opCase('reshape and transpose', ['x'], (g) =>
    g.output('y', g.transpose(g.reshape(g.input('x', [2, 6]), [2, 3, 2]), [2, 0, 1])),
  ),
  opCase('expand', ['x'], (g) => g.output('y', g.expand(g.input('x', [3, 1]), [2, 3, 4]))),
  opCase('concat', ['a', 'b'], (g) =>
    g.output('y', g.concat([g.input('a', [2, 3, 2]), g.input('b', [2, 1, 2])], 1)),
  ),
  opCase('slice', ['x'], (g) => g.output('y', g.slice(g.input('x', [2, 5, 3]), 1, 1, 4))),
  opCase('pad', ['x'], (g) => g.output('y', g.pad(g.input('x', [2, 3]), -1, 1, 2))),
  opCase('reduceSum', ['x'], (g) => g.output('y', g.reduceSum(g.input('x', [2, 3, 4]), [0, 2]))),
  opCase('a value used twice and a constant', ['x'], (g) => {
    const x = g.input('x', [2, 2]);
    g.output('y', g.add(g.mul(x, x), g.mul(x, g.constant([1, 2, 3, 4], [2, 2]))));
    g.output('z', x);
  }),
];

/** The gradient that goes past a norm is added where that of the norm is made. */
export const pastNorms = opCase('norms with a path past them', ['x'], (g) => {
  const x = g.input('x', [3, 7]);
  const h = g.add(x, g.layerNorm(x, g.input('w', [7]), g.input('b', [7]), 1e-5));
  g.output('y', g.add(h, g.rmsNorm(h, g.input('w2', [7]), 1e-6)));
});

/** A row that may look nowhere weighs all alike, as softmax does; a causal row, and one that is masked twice over. */
export const fullyMasked = opCase('attention with rows that see nothing', ['q', 'k', 'v'], (g) =>
  g.output(
    'y',
    g.attention(g.input('q', [1, 3, 4]), g.input('k', [1, 4, 4]), g.input('v', [1, 4, 4]), {
      heads: 2,
      scale: 0.7,
      bias: g.constant([-1e30, -1e30, -1e30, -1e30, 0, 0, -1e30, -1e30, 0, -2e30, -1e30, 0], [1, 1, 3, 4]),
    }),
  ),
);

/** Deterministic numbers in [from, to). */
export function randomNumbers(count: number, seed: number, [from, to]: [number, number]): Float32Array {
  let state = seed >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return from + ((state >>> 0) / 2 ** 32) * (to - from);
  });
}

export function randomFeeds(graph: Graph, range: [number, number], seed = 7): Record<string, Float32Array> {
  return Object.fromEntries(
    graph.inputs.map(({ name, value }, i) => [
      name,
      randomNumbers(
        value.shape.reduce((a, b) => a * b, 1),
        seed + 31 * i,
        range,
      ),
    ]),
  );
}
