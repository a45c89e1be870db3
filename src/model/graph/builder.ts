import { ModelError } from '../../base/errors.ts';
import { opNamed, type OpName } from './ops/index.ts';
import { badShape, checkShape, resolveAxis, sameShape } from './shape-check.ts';
import {
  sizeOf,
  type Attrs,
  type DType,
  type Graph,
  type NamedValue,
  type Node,
  type Shape,
  type Value,
} from './types.ts';

/**
 * Builds a `Graph` op by op; every method infers and checks shapes at once and throws `bad-shape`.
 * Network code reads like the paper: `g.add(x, g.linear(g.layerNorm(x, w, b, 1e-6), proj))`.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: NamedValue[] = [];
  readonly #outputs: NamedValue[] = [];
  readonly #constants: { value: Value; data: Float32Array }[] = [];
  readonly #nodes: Node[] = [];
  #nextId = 0;

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, shape: Shape, dtype: DType = 'float32'): Value {
    checkShape(`input ${name}`, shape);
    if (this.#inputs.some((input) => input.name === name)) {
      throw new ModelError('bad-shape', `Graph ${this.#name}: input "${name}" is declared twice.`);
    }
    const value = this.#value(dtype, shape);
    this.#inputs.push({ name, value });
    return value;
  }

  /** The input of that name, or undefined: lets two parts of a network share one weight. */
  findInput(name: string): Value | undefined {
    return this.#inputs.find((input) => input.name === name)?.value;
  }

  constant(data: ArrayLike<number>, shape: Shape): Value {
    if (data.length !== sizeOf(shape)) {
      throw badShape('constant', `${data.length} numbers`, `${sizeOf(shape)} for [${shape.join(', ')}]`);
    }
    const value = this.#value('float32', shape);
    this.#constants.push({ value, data: Float32Array.from(data) });
    return value;
  }

  output(name: string, value: Value): void {
    if (this.#outputs.some((output) => output.name === name)) {
      throw new ModelError('bad-shape', `Graph ${this.#name}: output "${name}" is declared twice.`);
    }
    this.#outputs.push({ name, value });
  }

  /** Drops nodes no output depends on, and inputs nobody reads. */
  build(): Graph {
    const live = new Set(this.#outputs.map(({ value }) => value.id));
    const nodes = this.#nodes.toReversed().filter((node) => {
      if (!live.has(node.output.id)) return false;
      for (const input of node.inputs) live.add(input.id);
      return true;
    });
    return {
      name: this.#name,
      inputs: this.#inputs.filter(({ value }) => live.has(value.id)),
      outputs: [...this.#outputs],
      constants: this.#constants.filter(({ value }) => live.has(value.id)),
      nodes: nodes.toReversed(),
    };
  }

  /** Appends any op by name; the methods below are the readable form. */
  apply(op: OpName, inputs: readonly Value[], attrs: Attrs = {}): Value {
    const { arity, infer } = opNamed(op);
    if (inputs.length < arity[0] || inputs.length > arity[1]) {
      throw badShape(op, `${inputs.length} inputs`, `${arity[0]} to ${arity[1]}`);
    }
    const shape = infer(inputs, attrs);
    checkShape(op, shape);
    const output = this.#value('float32', shape);
    this.#nodes.push({ op, inputs, attrs, output });
    return output;
  }

  #value(dtype: DType, shape: Shape): Value {
    return { id: this.#nextId++, dtype, shape };
  }

  add = (a: Value, b: Value): Value => this.apply('add', [a, b]);
  sub = (a: Value, b: Value): Value => this.apply('sub', [a, b]);
  mul = (a: Value, b: Value): Value => this.apply('mul', [a, b]);
  div = (a: Value, b: Value): Value => this.apply('div', [a, b]);
  scale = (x: Value, value: number): Value => this.apply('scale', [x], { value });
  addScalar = (x: Value, value: number): Value => this.apply('addScalar', [x], { value });
  exp = (x: Value): Value => this.apply('exp', [x]);
  log = (x: Value): Value => this.apply('log', [x]);
  sqrt = (x: Value): Value => this.apply('sqrt', [x]);
  erf = (x: Value): Value => this.apply('erf', [x]);
  relu = (x: Value): Value => this.apply('relu', [x]);
  step = (x: Value): Value => this.apply('step', [x]);
  sigmoid = (x: Value): Value => this.apply('sigmoid', [x]);
  gelu = (x: Value): Value => this.apply('gelu', [x]);
  silu = (x: Value): Value => this.mul(x, this.sigmoid(x));

  linear = (x: Value, weight: Value, bias?: Value): Value =>
    this.apply('linear', bias ? [x, weight, bias] : [x, weight]);
  linearTransposed = (dy: Value, weight: Value): Value => this.apply('linearTransposed', [dy, weight]);
  weightGradient = (dy: Value, x: Value): Value => this.apply('weightGradient', [dy, x]);
  dequantise = (weight: Value): Value => this.apply('dequantise', [weight]);
  matMul = (a: Value, b: Value): Value => this.apply('matMul', [a, b]);

  softmax = (x: Value): Value => this.apply('softmax', [x]);
  argMax = (x: Value): Value => this.apply('argMax', [x]);
  crossEntropy = (logits: Value, targets: Value): Value => this.apply('crossEntropy', [logits, targets]);
  crossEntropyGradient = (logits: Value, targets: Value, dy: Value): Value =>
    this.apply('crossEntropyGradient', [logits, targets, dy]);
  layerNorm = (x: Value, weight: Value, bias: Value, eps: number): Value =>
    this.apply('layerNorm', [x, weight, bias], { eps });
  rmsNorm = (x: Value, weight: Value, eps: number): Value => this.apply('rmsNorm', [x, weight], { eps });

  attention = (
    q: Value,
    k: Value,
    v: Value,
    options: { heads: number; kvHeads?: number; scale: number; bias?: Value | undefined },
  ): Value =>
    this.apply('attention', options.bias ? [q, k, v, options.bias] : [q, k, v], {
      heads: options.heads,
      kvHeads: options.kvHeads ?? options.heads,
      scale: options.scale,
    });
  rope = (x: Value, cos: Value, sin: Value, heads: number): Value =>
    this.apply('rope', [x, cos, sin], { heads });

  reshape = (x: Value, shape: Shape): Value =>
    sameShape(x.shape, shape) ? x : this.apply('reshape', [x], { shape });
  expand = (x: Value, shape: Shape): Value =>
    sameShape(x.shape, shape) ? x : this.apply('expand', [x], { shape });
  transpose = (x: Value, perm: readonly number[]): Value => this.apply('transpose', [x], { perm });
  concat = (values: readonly Value[], axis: number): Value =>
    values.length === 1
      ? values[0]!
      : this.apply('concat', values, { axis: resolveAxis('concat', axis, values[0]?.shape.length ?? 0) });
  slice = (x: Value, axis: number, start: number, end: number): Value => {
    const resolved = resolveAxis('slice', axis, x.shape.length);
    return start === 0 && end === x.shape[resolved]
      ? x
      : this.apply('slice', [x], { axis: resolved, start, end });
  };
  pad = (x: Value, axis: number, before: number, after: number): Value =>
    before === 0 && after === 0
      ? x
      : this.apply('pad', [x], { axis: resolveAxis('pad', axis, x.shape.length), before, after });
  reduceSum = (x: Value, axes: readonly number[]): Value =>
    axes.length === 0 ? x : this.apply('reduceSum', [x], { axes });

  /** Swaps the last two axes. */
  swapLast = (x: Value): Value => {
    const perm = x.shape.map((_, axis) => axis);
    return this.transpose(x, [...perm.slice(0, -2), perm.length - 1, perm.length - 2]);
  };
  sumLast = (x: Value): Value => this.reduceSum(x, [x.shape.length - 1]);
  meanLast = (x: Value): Value => this.scale(this.sumLast(x), 1 / x.shape.at(-1)!);
  abs = (x: Value): Value => this.add(this.relu(x), this.relu(this.scale(x, -1)));
  /** Of everything, [1]. */
  total = (x: Value): Value =>
    this.reshape(
      this.reduceSum(
        x,
        x.shape.map((_, axis) => axis),
      ),
      [1],
    );
  /** Of everything, [1]. */
  mean = (x: Value): Value => this.scale(this.total(x), 1 / sizeOf(x.shape));

  /** Sums broadcast axes away until `x` has the shape it was broadcast from. */
  sumTo = (x: Value, shape: Shape): Value => {
    if (sameShape(x.shape, shape)) return x;
    const lead = x.shape.length - shape.length;
    const axes = x.shape.flatMap((dim, axis) =>
      axis < lead || (shape[axis - lead] === 1 && dim !== 1) ? [axis] : [],
    );
    return this.reshape(this.reduceSum(x, axes), shape);
  };
}
