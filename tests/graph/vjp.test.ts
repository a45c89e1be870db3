import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import type { Graph } from '../../src/model/graph/types.ts';
import { gradientName, vjp } from '../../src/model/graph/vjp.ts';
import { fullyMasked, opCases, pastNorms, randomFeeds, randomNumbers } from './op-cases.ts';

/** Central differences in float64: the error is O(h²) ≈ 1e-10 plus rounding, so 1e-6 has two digits of room. */
const STEP = 1e-5;
const TOLERANCE = 1e-6;

const hasFused = (graph: Graph): boolean =>
  graph.nodes.some(({ op }) => ['attention', 'layerNorm', 'rmsNorm'].includes(op));

describe('vjp against finite differences in float64', () => {
  it.each(opCases)('$name', ({ graph, wrt, range }) => {
    const feeds = randomFeeds(graph, range);
    const seeds = Object.fromEntries(
      graph.outputs.map(({ name, value }, i) => [
        name,
        randomNumbers(
          value.shape.reduce((a, b) => a * b, 1),
          99 + i,
          [-1, 1],
        ),
      ]),
    );
    const weighted = (inputs: Record<string, ArrayLike<number>>) =>
      Object.entries(evaluate(graph, inputs)).reduce(
        (sum, [name, { data }]) => sum + data.reduce((part, v, i) => part + v * seeds[name]![i]!, 0),
        0,
      );
    const backward = vjp(graph, { wrt });
    const dySeeds = Object.fromEntries(
      Object.entries(seeds).map(([name, data]) => [gradientName(name), data]),
    );
    const all: Record<string, Float32Array> = { ...feeds, ...dySeeds };
    const grads = evaluate(
      backward,
      Object.fromEntries(backward.inputs.map(({ name }) => [name, all[name]!])),
    );

    for (const name of wrt) {
      const analytic = grads[gradientName(name)]!.data;
      const input = Float64Array.from(feeds[name]!);
      for (let i = 0; i < input.length; i++) {
        const shifted = (h: number) => weighted({ ...feeds, [name]: input.with(i, input[i]! + h) });
        const numeric = (shifted(STEP) - shifted(-STEP)) / (2 * STEP);
        expect(
          Math.abs(analytic[i]! - numeric),
          `${name}[${i}]: ${analytic[i]} against ${numeric}`,
        ).toBeLessThan(TOLERANCE * (1 + Math.abs(numeric)));
      }
    }
  });

  it.each([...opCases, fullyMasked, pastNorms].filter(({ graph }) => hasFused(graph)))(
    '$name: the same by ops that are gradients',
    ({ graph, wrt, range }) => {
      const [products, fused] = [false, true].map((how) => {
        const backward = vjp(graph, { wrt: wrt.filter((name) => name !== 'bias'), fused: how });
        return evaluate(backward, randomFeeds(backward, range));
      });
      expect(Object.keys(fused!)).toEqual(Object.keys(products!));
      for (const [name, { data }] of Object.entries(products!)) {
        data.forEach((value, i) =>
          expect(Math.abs(fused![name]!.data[i]! - value), `${name}[${i}]`).toBeLessThan(1e-12),
        );
      }
    },
  );

  it('gives back forward outputs asked for, and says which name it does not know', () => {
    const g = new GraphBuilder('square');
    const x = g.input('x', [2]);
    g.output('loss', g.reduceSum(g.mul(x, x), [0]));
    const backward = vjp(g.build(), { wrt: ['x'], keep: ['loss'] });
    const out = evaluate(backward, { x: [3, 4], [gradientName('loss')]: [1] });
    expect([...out['loss']!.data]).toEqual([25]);
    expect([...out[gradientName('x')]!.data]).toEqual([6, 8]);
    expect(() => vjp(g.build(), { wrt: ['y'] })).toThrow(/no "y"; it has x/);
  });
});
