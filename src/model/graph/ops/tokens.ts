/** What predicting tokens needs: the likeliest one, and the loss of upstream's language models. Token ids are whole numbers in float32. */
import { defineOp, type Dense } from '../op.ts';
import { badShape, expectFloat, lastDim, sameShape, show } from '../shape-check.ts';
import type { Shape, Value } from '../types.ts';

const INT64 = 7;
const FLOAT32 = 1;

/** x[…, V] → the place of the largest of each row […]; of equal ones the first. It has no gradient. */
export const argMax = defineOp({
  arity: [1, 1],
  infer: ([x]) => {
    expectFloat('argMax', x!);
    lastDim('argMax', x!);
    return x!.shape.slice(0, -1);
  },
  lower: (to, names) => {
    const ids = to.emit('ArgMax', names, { axis: { int: -1 }, keepdims: { int: 0 } });
    return to.emit('Cast', [ids], { to: { int: FLOAT32 } });
  },
  evaluate: ([x], _attrs, shape) =>
    rows(x!, shape, (row) => row.indexOf(row.reduce((a, b) => Math.max(a, b)))),
  vjp: () => [undefined],
});

/** logits[…, V], targets[…] → −log softmax(logits) at the target, for each row […] (torch's cross_entropy without its mean). */
export const crossEntropy = defineOp({
  arity: [2, 2],
  infer: ([logits, targets]) => checkTargets('crossEntropy', logits!, targets!),
  // The largest probability is at least 1 / V, so its logarithm is exact where that of the target's would be −∞.
  lower: (to, [logits, targets]) => {
    const last = { axes: to.ints([-1]), keep: { keepdims: { int: 0 } } };
    const largest = to.emit('ReduceMax', [logits!, last.axes], last.keep);
    const likeliest = to.emit(
      'ReduceMax',
      [to.emit('Softmax', [logits!], { axis: { int: -1 } }), last.axes],
      last.keep,
    );
    const normaliser = to.emit('Sub', [largest, to.emit('Log', [likeliest])]);
    const ids = to.emit('Unsqueeze', [to.emit('Cast', [targets!], { to: { int: INT64 } }), last.axes]);
    const chosen = to.emit('GatherElements', [logits!, ids], { axis: { int: -1 } });
    return to.emit('Sub', [normaliser, to.emit('Squeeze', [chosen, last.axes])]);
  },
  evaluate: ([logits, targets], _attrs, shape) =>
    rows(logits!, shape, (row, i) => logSumExp(row) - row[targets!.data[i]!]!),
  vjp: (g, { inputs: [logits, targets] }, dy, needs) => [
    needs[0] ? g.crossEntropyGradient(logits!, targets!, dy) : undefined,
    undefined,
  ],
});

/** logits[…, V], targets[…], dy[…] → dy · (softmax(logits) − one at the target) […, V]. Not to be differentiated again. */
export const crossEntropyGradient = defineOp({
  arity: [3, 3],
  infer: ([logits, targets, dy]) => {
    const shape = checkTargets('crossEntropyGradient', logits!, targets!);
    if (!sameShape(dy!.shape, shape))
      throw badShape('crossEntropyGradient', `dy ${show(dy!.shape)}`, show(shape));
    return logits!.shape;
  },
  lower: (to, [logits, targets, dy]) => {
    const last = to.ints([-1]);
    const column = to.emit('Unsqueeze', [dy!, last]);
    const scaled = to.emit('Mul', [to.emit('Softmax', [logits!], { axis: { int: -1 } }), column]);
    const ids = to.emit('Unsqueeze', [to.emit('Cast', [targets!], { to: { int: INT64 } }), last]);
    const chosen = to.emit('GatherElements', [scaled, ids], { axis: { int: -1 } });
    const less = to.emit('Sub', [chosen, column]);
    return to.emit('ScatterElements', [scaled, ids, less], { axis: { int: -1 } });
  },
  evaluate: ([logits, targets, dy]) => {
    const width = logits!.shape.at(-1)!;
    const out = new Float64Array(logits!.data.length);
    for (let row = 0; row < out.length / width; row++) {
      const of = logits!.data.subarray(row * width, (row + 1) * width);
      const sum = logSumExp(of);
      of.forEach((v, i) => {
        const one = i === targets!.data[row] ? 1 : 0;
        out[row * width + i] = dy!.data[row]! * (Math.exp(v - sum) - one);
      });
    }
    return out;
  },
  vjp: () => [undefined, undefined, undefined],
});

function checkTargets(op: string, logits: Value, targets: Value): Shape {
  expectFloat(op, logits, targets);
  lastDim(op, logits);
  const shape = logits.shape.slice(0, -1);
  if (sameShape(targets.shape, shape)) return shape;
  throw badShape(
    op,
    `logits ${show(logits.shape)} with targets ${show(targets.shape)}`,
    `targets ${show(shape)}`,
  );
}

function rows(x: Dense, shape: Shape, f: (row: Float64Array, i: number) => number): Float64Array {
  const width = x.shape.at(-1)!;
  const count = shape.reduce((product, dim) => product * dim, 1);
  return Float64Array.from({ length: count }, (_, i) => f(x.data.subarray(i * width, (i + 1) * width), i));
}

function logSumExp(row: Float64Array): number {
  const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
}
