import { defineOp, type Dense } from '../op.ts';
import { badShape, broadcastShapes, expectFloat, lastDim, show } from '../shape-check.ts';
import { BLOCK_SIZE, sizeOf, type Attrs, type DType, type Value } from '../types.ts';
import { broadcastIndex } from './indexing.ts';

export function bitsOf(dtype: DType): 4 | 8 {
  if (dtype === 'float32') throw badShape('quantised linear', 'a float32 weight', 'q4 or q8');
  return dtype === 'q4' ? 4 : 8;
}

function weightDims(op: string, weight: Value): [number, number] {
  const [n, k] = weight.shape;
  if (weight.shape.length !== 2 || n === undefined || k === undefined) {
    throw badShape(op, `a weight of shape ${show(weight.shape)}`, '[N, K]');
  }
  return [n, k];
}

function padding(k: number): number {
  return (BLOCK_SIZE - (k % BLOCK_SIZE)) % BLOCK_SIZE;
}

function rowsOf(value: Value): number {
  return sizeOf(value.shape) / value.shape.at(-1)!;
}

/** x[…, K] · Wᵀ (W is [N, K] as torch stores it) + bias[N] if given → […, N]. */
export const linear = defineOp<Attrs>({
  arity: [2, 3],
  infer: ([x, weight, bias]) => {
    expectFloat('linear', x!, ...(bias ? [bias] : []));
    const [n, k] = weightDims('linear', weight!);
    if (lastDim('linear', x!) !== k) {
      throw badShape('linear', `x ${show(x!.shape)} with weight ${show(weight!.shape)}`, `x […, ${k}]`);
    }
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== n)) {
      throw badShape('linear', `bias ${show(bias.shape)}`, `[${n}]`);
    }
    return [...x!.shape.slice(0, -1), n];
  },
  lower: (to, names, { inputs: [x, weight], output }) => {
    const [n, k] = weightDims('linear', weight!);
    const [xName, weightName, biasName] = names;
    if (weight!.dtype === 'float32') {
      const rows = to.emit('Reshape', [xName!, to.ints([rowsOf(x!), k])]);
      const y = to.emit('Gemm', [rows, weightName!, ...(biasName ? [biasName] : [])], { transB: { int: 1 } });
      return to.emit('Reshape', [y, to.ints(output.shape)]);
    }
    const extra = padding(k);
    const rank = x!.shape.length;
    const padded =
      extra === 0
        ? xName!
        : to.emit('Pad', [
            xName!,
            to.ints(Array.from({ length: 2 * rank }, (_, i) => (i === 2 * rank - 1 ? extra : 0))),
          ]);
    const { data, scales } = to.packed(weight!);
    const attrs = {
      K: { int: k + extra },
      N: { int: n },
      bits: { int: bitsOf(weight!.dtype) },
      block_size: { int: BLOCK_SIZE },
    };
    const y = to.emit('MatMulNBits', [padded, data, scales], attrs, 'com.microsoft');
    return biasName ? to.emit('Add', [y, biasName]) : y;
  },
  evaluate: ([x, weight, bias], _attrs, shape) => {
    const [n, k] = weight!.shape as [number, number];
    const out = new Float64Array(sizeOf(shape));
    for (let row = 0; row < out.length / n; row++) {
      for (let col = 0; col < n; col++) {
        let sum = bias ? bias.data[col]! : 0;
        for (let i = 0; i < k; i++) sum += x!.data[row * k + i]! * weight!.data[col * k + i]!;
        out[row * n + col] = sum;
      }
    }
    return out;
  },
  vjp: (g, { inputs: [x, weight, bias] }, dy, needs) => [
    needs[0] ? g.linearTransposed(dy, weight!) : undefined,
    needs[1] && weight!.dtype === 'float32' ? g.weightGradient(dy, x!) : undefined,
    bias && needs[2] ? g.sumTo(dy, bias.shape) : undefined,
  ],
});

/** dy[…, N], x[…, K] → Σ over rows dyᵀ · x [N, K]: what `linear` needs for the gradient of its weight. */
export const weightGradient = defineOp<Attrs>({
  arity: [2, 2],
  infer: ([dy, x]) => {
    expectFloat('weightGradient', dy!, x!);
    if (rowsOf(dy!) !== rowsOf(x!)) {
      throw badShape(
        'weightGradient',
        `dy ${show(dy!.shape)} with x ${show(x!.shape)}`,
        'as many rows in both',
      );
    }
    return [lastDim('weightGradient', dy!), lastDim('weightGradient', x!)];
  },
  lower: (to, names, { inputs }) => {
    const [dy, x] = inputs.map((value, i) =>
      to.emit('Reshape', [names[i]!, to.ints([rowsOf(value), value.shape.at(-1)!])]),
    );
    return to.emit('Gemm', [dy!, x!], { transA: { int: 1 } });
  },
  evaluate: ([dy, x], _attrs, [n, k]) => {
    const out = new Float64Array(n! * k!);
    for (let row = 0; row < x!.data.length / k!; row++) {
      for (let i = 0; i < n!; i++) {
        const factor = dy!.data[row * n! + i]!;
        for (let col = 0; col < k!; col++) out[i * k! + col]! += factor * x!.data[row * k! + col]!;
      }
    }
    return out;
  },
  vjp: (g, { inputs: [dy, x] }, dOut, needs) => [
    needs[0] ? g.linear(x!, dOut) : undefined,
    needs[1] ? g.linearTransposed(dy!, dOut) : undefined,
  ],
});

/** A weight [N, K] in float32, from the bytes it is packed in; a float32 one is itself. */
export const dequantise = defineOp<Attrs>({
  arity: [1, 1],
  infer: ([weight]) => weightDims('dequantise', weight!),
  lower: (to, names, { inputs: [weight] }) => {
    if (weight!.dtype === 'float32') return names[0]!;
    const [, k] = weightDims('dequantise', weight!);
    const whole = to.dequantised(weight!);
    return padding(k) === 0 ? whole : to.emit('Slice', [whole, to.ints([0]), to.ints([k]), to.ints([1])]);
  },
  evaluate: ([weight]) => Float64Array.from(weight!.data),
  vjp: (_g, { inputs: [weight] }, dy, needs) => [needs[0] && weight!.dtype === 'float32' ? dy : undefined],
});

/** dy[…, N] · W (W is [N, K]) → […, K]: what `linear` needs for the gradient of its input. */
export const linearTransposed = defineOp<Attrs>({
  arity: [2, 2],
  infer: ([dy, weight]) => {
    expectFloat('linearTransposed', dy!);
    const [n, k] = weightDims('linearTransposed', weight!);
    if (lastDim('linearTransposed', dy!) !== n) {
      throw badShape(
        'linearTransposed',
        `dy ${show(dy!.shape)} with weight ${show(weight!.shape)}`,
        `dy […, ${n}]`,
      );
    }
    return [...dy!.shape.slice(0, -1), k];
  },
  lower: (to, names, { inputs: [dy, weight], output }) => {
    const [n, k] = weightDims('linearTransposed', weight!);
    const rows = to.emit('Reshape', [names[0]!, to.ints([rowsOf(dy!), n])]);
    if (weight!.dtype === 'float32') {
      return to.emit('Reshape', [to.emit('Gemm', [rows, names[1]!]), to.ints(output.shape)]);
    }
    const product = to.emit('MatMul', [rows, to.dequantised(weight!)]);
    const cut =
      padding(k) === 0 ? product : to.emit('Slice', [product, to.ints([0]), to.ints([k]), to.ints([1])]);
    return to.emit('Reshape', [cut, to.ints(output.shape)]);
  },
  evaluate: ([dy, weight], _attrs, shape) => {
    const [n, k] = weight!.shape as [number, number];
    const out = new Float64Array(sizeOf(shape));
    for (let row = 0; row < out.length / k; row++) {
      for (let i = 0; i < n; i++) {
        const factor = dy!.data[row * n + i]!;
        for (let col = 0; col < k; col++) out[row * k + col]! += factor * weight!.data[i * k + col]!;
      }
    }
    return out;
  },
  vjp: (g, { inputs: [dy, weight] }, dOut, needs) => [
    needs[0] ? g.linear(dOut, weight!) : undefined,
    needs[1] && weight!.dtype === 'float32' ? g.weightGradient(dy!, dOut) : undefined,
  ],
});

/** Batched matrix product a[…, M, K] · b[…, K, N] with NumPy broadcasting of the leading axes. */
export const matMul = defineOp<Attrs>({
  arity: [2, 2],
  infer: ([a, b]) => {
    expectFloat('matMul', a!, b!);
    const [m, k] = a!.shape.slice(-2);
    const [k2, n] = b!.shape.slice(-2);
    if (m === undefined || n === undefined || k === undefined || k !== k2) {
      throw badShape('matMul', `${show(a!.shape)} and ${show(b!.shape)}`, '[…, M, K] and […, K, N]');
    }
    return [...broadcastShapes('matMul', a!.shape.slice(0, -2), b!.shape.slice(0, -2)), m, n];
  },
  lower: (to, names) => to.emit('MatMul', names),
  evaluate: ([a, b], _attrs, shape) => evaluateMatMul(a!, b!, shape),
  vjp: (g, { inputs: [a, b] }, dy, needs) => [
    needs[0] ? g.sumTo(g.matMul(dy, g.swapLast(b!)), a!.shape) : undefined,
    needs[1] ? g.sumTo(g.matMul(g.swapLast(a!), dy), b!.shape) : undefined,
  ],
});

function evaluateMatMul(a: Dense, b: Dense, shape: readonly number[]): Float64Array {
  const [m, n] = shape.slice(-2) as [number, number];
  const k = a.shape.at(-1)!;
  const batch = shape.slice(0, -2);
  const out = new Float64Array(sizeOf(shape));
  const indexA = broadcastIndex(a.shape.slice(0, -2), batch);
  const indexB = broadcastIndex(b.shape.slice(0, -2), batch);
  for (let i = 0; i < sizeOf(batch); i++) {
    const startA = indexA(i) * m * k;
    const startB = indexB(i) * k * n;
    for (let row = 0; row < m; row++) {
      for (let inner = 0; inner < k; inner++) {
        const factor = a.data[startA + row * k + inner]!;
        for (let col = 0; col < n; col++) {
          out[(i * m + row) * n + col]! += factor * b.data[startB + inner * n + col]!;
        }
      }
    }
  }
  return out;
}
