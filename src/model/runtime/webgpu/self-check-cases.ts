/** Small graphs that go through every kernel of ours. Sizes are odd on purpose: no multiples of tiles, workgroups or packed blocks. */
import { GraphBuilder } from '../../graph/builder.ts';
import type { DType, Graph, Value } from '../../graph/types.ts';
import type { Subject } from './plan.ts';

export interface CheckCase {
  readonly graph: Graph;
  /** Whose other style is tried where this one is wrong. */
  readonly subject: Subject | null;
  /** Of the random inputs. */
  readonly range: readonly [number, number];
}

function checkCase(
  name: string,
  subject: Subject | null,
  build: (g: GraphBuilder) => Record<string, Value> | Value,
  range: readonly [number, number] = [-1.5, 1.5],
): CheckCase {
  const g = new GraphBuilder(name);
  const made = build(g);
  for (const [output, value] of Object.entries('id' in made ? { [name]: made as Value } : made))
    g.output(output, value);
  return { graph: g.build(), subject, range };
}

const elementwise = [
  checkCase(
    'arithmetic with broadcasting',
    null,
    (g) => {
      const product = g.mul(g.input('dense', [3, 5, 7]), g.input('row', [7]));
      const x = g.add(g.div(product, g.input('each', [3, 1, 1])), g.input('one', [1]));
      const strided = g.transpose(g.input('strided', [7, 5, 3]), [2, 1, 0]);
      return g.sub(g.add(g.add(g.exp(x), g.log(x)), g.sqrt(x)), strided);
    },
    [0.5, 2],
  ),
  checkCase('activations', null, (g) => {
    const x = g.input('x', [5, 67]);
    return [
      g.erf(x),
      g.relu(x),
      g.step(x),
      g.sigmoid(x),
      g.gelu(x),
      g.scale(x, -2.5),
      g.addScalar(x, 3),
    ].reduce((sum, term) => g.add(sum, term));
  }),
  checkCase('concatenation', null, (g) =>
    g.concat([g.transpose(g.input('a', [5, 2, 3]), [2, 1, 0]), g.input('b', [3, 4, 5])], 1),
  ),
];

const linear = (dtype: DType, [rows, columns, depth]: readonly [number, number, number]) =>
  checkCase(`linear layer in ${dtype}, depth ${depth}`, 'product', (g) => {
    const weight = g.input('weight', [columns, depth], dtype);
    return g.gelu(g.linear(g.input('x', [rows, depth]), weight, g.input('bias', [columns])));
  });

const linearTransposed = (dtype: DType) =>
  checkCase(`linear layer backwards in ${dtype}`, 'product', (g) =>
    g.linearTransposed(g.input('dy', [19, 37]), g.input('weight', [37, 45], dtype)),
  );

/** Depths that are multiples of 4 and such that are not: a kernel each where there is no workgroup memory. */
const products = [
  linear('float32', [19, 37, 45]),
  linear('float32', [19, 36, 44]),
  linear('q8', [19, 37, 70]),
  linear('q4', [19, 36, 72]),
  linearTransposed('q8'),
  linearTransposed('q4'),
  checkCase('gradient of a weight', 'product', (g) =>
    g.weightGradient(g.input('dy', [2, 11, 37]), g.input('x', [2, 11, 35])),
  ),
  checkCase('batched product', 'product', (g) =>
    g.matMul(g.input('a', [2, 3, 19, 13]), g.swapLast(g.input('b', [3, 35, 13]))),
  ),
];

/** Causal, as in the networks: whole blocks of keys are masked. */
function causalMask(length: number, total: number): number[] {
  return Array.from({ length: length * total }, (_, i) =>
    (i % total) - Math.floor(i / total) > total - length ? -1e30 : 0,
  );
}

const attention = checkCase('attention', 'attention', (g) => {
  const mask = g.constant(causalMask(19, 35), [1, 1, 19, 35]);
  const grouped = g.attention(
    g.input('q', [2, 19, 144]),
    g.input('k', [2, 35, 72]),
    g.input('v', [2, 35, 72]),
    {
      heads: 2,
      kvHeads: 1,
      scale: 0.2,
      bias: mask,
    },
  );
  const x = (name: string, length: number) => g.input(name, [1, length, 60]);
  return {
    'attention with a mask and grouped heads': grouped,
    attention: g.attention(x('queries', 17), x('keys', 35), x('values', 35), { heads: 2, scale: 0.3 }),
  };
});

const attentionGradient = checkCase('gradient of attention', 'attention gradient', (g) => {
  const x = (name: string, length: number, width: number) => g.input(name, [2, length, width]);
  const operands = [x('q', 19, 144), x('k', 35, 72), x('v', 35, 72), x('dy', 19, 144)];
  const mask = g.constant(causalMask(19, 35), [1, 1, 19, 35]);
  const attrs = { heads: 2, kvHeads: 1, scale: 0.2 };
  const statistics = g.apply('attentionStatistics', [...operands, mask], attrs);
  const all = [...operands, statistics, mask];
  return {
    'statistics of attention': statistics,
    'gradient of queries': g.apply('attentionQueryGradient', all, attrs),
    'gradients of keys and values': g.apply('attentionKeyValueGradient', all, attrs),
  };
});

const normGradient = checkCase('gradients of norms', 'norm gradient', (g) => {
  const operands = [g.input('x', [5, 133]), g.input('weight', [133]), g.input('dy', [5, 133])];
  return {
    'gradient of layerNorm': g.apply('layerNormGradient', operands, { eps: 1e-5 }),
    'gradient of rmsNorm, and past it': g.add(
      g.apply('rmsNormGradient', operands, { eps: 1e-6 }),
      g.input('rest', [5, 133]),
    ),
  };
});

const normalize = checkCase('norms', 'normalize', (g) => {
  const x = g.input('x', [5, 133]);
  const weight = g.input('weight', [133]);
  return {
    softmax: g.softmax(x),
    layerNorm: g.layerNorm(x, weight, g.input('bias', [133]), 1e-5),
    rmsNorm: g.rmsNorm(x, weight, 1e-6),
  };
});

const reduce = checkCase('sums', 'reduce', (g) => ({
  'sum of rows': g.sumLast(g.input('rows', [5, 131])),
  'sum over two axes': g.reduceSum(g.input('x', [3, 70, 5]), [0, 2]),
}));

const tokens = checkCase('choices of tokens', 'tokens', (g) => {
  const logits = g.input('logits', [5, 150]);
  const targets = g.constant([0, 149, 64, 63, 7], [5]);
  // Several are equal and largest; the first counts.
  const ties = g.constant(
    Array.from({ length: 3 * 150 }, (_, i) => (i * 7) % 31),
    [3, 150],
  );
  return {
    argMax: g.argMax(logits),
    'argMax of equal ones': g.argMax(ties),
    crossEntropy: g.crossEntropy(logits, targets),
    crossEntropyGradient: g.crossEntropyGradient(logits, targets, g.input('dy', [5])),
  };
});

const others = [
  checkCase('rotary embedding', null, (g) =>
    g.rope(g.input('x', [2, 5, 28]), g.input('cos', [5, 7]), g.input('sin', [5, 7]), 2),
  ),
  checkCase('padding', null, (g) => g.pad(g.input('x', [3, 5, 7]), 1, 2, 1)),
  checkCase('unpacking of weights', null, (g) => ({
    'unpacking of q8': g.dequantise(g.input('q8', [5, 70], 'q8')),
    'unpacking of q4': g.dequantise(g.input('q4', [5, 70], 'q4')),
  })),
];

export const checkCases = (): CheckCase[] => [
  ...elementwise,
  ...products,
  attention,
  attentionGradient,
  normalize,
  normGradient,
  reduce,
  tokens,
  ...others,
];
