import { defineOp, type Dense, type OpDefinition } from '../op.ts';
import { broadcastShapes, expectFloat } from '../shape-check.ts';
import { sizeOf, type Shape } from '../types.ts';
import { broadcastIndex } from './indexing.ts';
import { erf } from '../erf.ts';

type Binary = (a: number, b: number) => number;

function evaluateBinary(f: Binary) {
  return ([a, b]: readonly Dense[], _attrs: object, shape: Shape): Float64Array => {
    const out = new Float64Array(sizeOf(shape));
    const indexA = broadcastIndex(a!.shape, shape);
    const indexB = broadcastIndex(b!.shape, shape);
    for (let i = 0; i < out.length; i++) out[i] = f(a!.data[indexA(i)]!, b!.data[indexB(i)]!);
    return out;
  };
}

function binary(onnx: string, f: Binary, vjp: OpDefinition['vjp']): OpDefinition {
  return defineOp({
    arity: [2, 2],
    infer: ([a, b]) => {
      expectFloat(onnx, a!, b!);
      return broadcastShapes(onnx, a!.shape, b!.shape);
    },
    lower: (to, names) => to.emit(onnx, names),
    evaluate: evaluateBinary(f),
    vjp,
  });
}

export const add = binary(
  'Add',
  (a, b) => a + b,
  (g, { inputs: [a, b] }, dy) => [g.sumTo(dy, a!.shape), g.sumTo(dy, b!.shape)],
);

export const sub = binary(
  'Sub',
  (a, b) => a - b,
  (g, { inputs: [a, b] }, dy, needs) => [
    needs[0] ? g.sumTo(dy, a!.shape) : undefined,
    needs[1] ? g.sumTo(g.scale(dy, -1), b!.shape) : undefined,
  ],
);

export const mul = binary(
  'Mul',
  (a, b) => a * b,
  (g, { inputs: [a, b] }, dy, needs) => [
    needs[0] ? g.sumTo(g.mul(dy, b!), a!.shape) : undefined,
    needs[1] ? g.sumTo(g.mul(dy, a!), b!.shape) : undefined,
  ],
);

export const div = binary(
  'Div',
  (a, b) => a / b,
  (g, { inputs: [a, b], output }, dy, needs) => [
    needs[0] ? g.sumTo(g.div(dy, b!), a!.shape) : undefined,
    needs[1] ? g.sumTo(g.scale(g.div(g.mul(dy, output), b!), -1), b!.shape) : undefined,
  ],
);

function unary(onnx: string, f: (x: number) => number, vjp: OpDefinition['vjp']): OpDefinition {
  return defineOp({
    arity: [1, 1],
    infer: ([x]) => {
      expectFloat(onnx, x!);
      return x!.shape;
    },
    lower: (to, names) => to.emit(onnx, names),
    evaluate: ([x]) => x!.data.map(f),
    vjp,
  });
}

export const exp = unary('Exp', Math.exp, (g, { output }, dy) => [g.mul(dy, output)]);
export const log = unary('Log', Math.log, (g, { inputs: [x] }, dy) => [g.div(dy, x!)]);
export const sqrt = unary('Sqrt', Math.sqrt, (g, { output }, dy) => [g.scale(g.div(dy, output), 0.5)]);

/** Step function, 1 where x > 0: the derivative of ReLU. It has no gradient of its own. */
export const step = defineOp({
  arity: [1, 1],
  infer: ([x]) => {
    expectFloat('step', x!);
    return x!.shape;
  },
  lower: (to, names) => to.emit('Sign', [to.emit('Relu', names)]),
  evaluate: ([x]) => x!.data.map((v) => (v > 0 ? 1 : 0)),
  vjp: () => [undefined],
});

export const relu = unary(
  'Relu',
  (x) => Math.max(0, x),
  (g, { output }, dy) => [g.mul(dy, g.step(output))],
);

export const sigmoid = unary(
  'Sigmoid',
  (x) => 1 / (1 + Math.exp(-x)),
  (g, { output }, dy) => [g.mul(dy, g.mul(output, g.addScalar(g.scale(output, -1), 1)))],
);

/** erf(x) to double precision in the reference; ONNX Erf in float32. */
export const erfOp = unary('Erf', erf, (g, { inputs: [x] }, dy) => [
  g.mul(dy, g.scale(g.exp(g.scale(g.mul(x!, x!), -1)), 2 / Math.sqrt(Math.PI))),
]);

/** Exact GELU, x·Φ(x), as torch.nn.GELU(approximate="none"). */
export const gelu = unary(
  'Gelu',
  (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  (g, { inputs: [x] }, dy) => {
    const cdf = g.scale(g.addScalar(g.erf(g.scale(x!, Math.SQRT1_2)), 1), 0.5);
    const pdf = g.scale(g.exp(g.scale(g.mul(x!, x!), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [g.mul(dy, g.add(cdf, g.mul(x!, pdf)))];
  },
);

interface Scalar {
  readonly [name: string]: number;
  readonly value: number;
}

/** x · value. */
export const scale = defineOp<Scalar>({
  arity: [1, 1],
  infer: ([x]) => {
    expectFloat('scale', x!);
    return x!.shape;
  },
  lower: (to, names, { attrs }) => to.emit('Mul', [names[0]!, to.floats([attrs.value], [])]),
  evaluate: ([x], { value }) => x!.data.map((v) => v * value),
  vjp: (g, { attrs }, dy) => [g.scale(dy, attrs.value)],
});

/** x + value. */
export const addScalar = defineOp<Scalar>({
  arity: [1, 1],
  infer: ([x]) => {
    expectFloat('addScalar', x!);
    return x!.shape;
  },
  lower: (to, names, { attrs }) => to.emit('Add', [names[0]!, to.floats([attrs.value], [])]),
  evaluate: ([x], { value }) => x!.data.map((v) => v + value),
  vjp: (_g, _node, dy) => [dy],
});
