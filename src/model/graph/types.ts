/**
 * The tensor-graph IR: static shapes, single assignment, one output per node.
 *
 * `q8` and `q4` are weight encodings seen as data types: such a value has the logical shape `[N, K]` of the
 * matrix it stands for, and only `linear` and `linearTransposed` read it. How its packed bytes are bound
 * is the business of the ONNX lowering and of the runtime.
 */
export type DType = 'float32' | 'q8' | 'q4';
export type Shape = readonly number[];

/** Plain data, so that a graph can be hashed, compared and stored. */
export type Attrs = Readonly<Record<string, number | boolean | readonly number[]>>;

export interface Value {
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface Node {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attrs: Attrs;
  readonly output: Value;
}

export interface NamedValue {
  readonly name: string;
  readonly value: Value;
}

/** Nodes are in execution order. Names of inputs and outputs are unique. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly NamedValue[];
  readonly outputs: readonly NamedValue[];
  /** Scalars and small tables that belong to the computation, not to the weights. */
  readonly constants: readonly { readonly value: Value; readonly data: Float32Array }[];
  readonly nodes: readonly Node[];
}

/** Block length of the quantised encodings along K (the layout of com.microsoft.MatMulNBits). */
export const BLOCK_SIZE = 32;

/** Number of elements; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = Array.from({ length: shape.length }, () => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  }
  return strides;
}
