import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { evaluate } from '../../src/model/graph/evaluate.ts';
import {
  gradientOfRows,
  operandNames,
  rowParts,
  withGradientParts,
} from '../../src/model/graph/gradient-parts.ts';
import { gradientName, vjp } from '../../src/model/graph/vjp.ts';
import { randomFeeds } from './op-cases.ts';

/** Two layers; the second one's weight is large. */
function backwardGraph() {
  const g = new GraphBuilder('two layers');
  const x = g.input('x', [2, 3, 5]);
  const hidden = g.relu(g.linear(x, g.input('first', [7, 5])));
  g.output('y', g.linear(hidden, g.input('second', [150, 7])));
  return vjp(g.build(), { wrt: ['x', 'first', 'second'] });
}

describe('the gradient of a large weight in parts', () => {
  it('has parts of at most as many numbers, each from a multiple of 64 rows on', () => {
    expect(rowParts([150, 7], 500)).toEqual([
      { start: 0, end: 64 },
      { start: 64, end: 128 },
      { start: 128, end: 150 },
    ]);
    expect(rowParts([150, 7], 900)).toEqual([
      { start: 0, end: 128 },
      { start: 128, end: 150 },
    ]);
    // 64 rows are bound from a multiple of 256 bytes on, however long they are.
    expect(rowParts([100, 1000], 10)[1]).toEqual({ start: 64, end: 100 });
  });

  it('is the same as in one piece, and no product as large as the weight is left in the graph', () => {
    const whole = backwardGraph();
    const parts = rowParts([150, 7], 500);
    const graph = withGradientParts(whole, new Map([['second', parts]]));
    const feeds = randomFeeds(whole, [-1, 1]);
    const expected = evaluate(whole, feeds);
    const made = evaluate(graph, feeds);
    for (const name of ['x', 'first'].map(gradientName))
      expect(made[name]!.data).toEqual(expected[name]!.data);

    expect(graph.nodes.some(({ output }) => output.shape.join() === '150,7')).toBe(false);
    const names = operandNames(gradientName('second'));
    const x = made[names.x]!;
    const rows = parts.map((part) => {
      const dy = made[names.dy(part)]!;
      return evaluate(gradientOfRows(dy.shape, x.shape), { dy: dy.data, x: x.data })['gradient']!;
    });
    expect(rows.map(({ shape }) => shape[0])).toEqual([64, 64, 22]);
    expect(rows.flatMap(({ data }) => [...data])).toEqual([...expected[gradientName('second')]!.data]);
  });

  it('stays whole where it is not made by a product of values in the graph', () => {
    const whole = backwardGraph();
    // dy of `first` is made there, but x is what is fed.
    expect(withGradientParts(whole, new Map([['first', rowParts([7, 5], 10)]])).outputs).toEqual(
      whole.outputs,
    );
  });
});
