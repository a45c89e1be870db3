import type { GraphBuilder } from './builder.ts';
import type { Attrs, Shape, Value } from './types.ts';

/** A float64 array with a shape: what the reference evaluator computes with. */
export interface Dense {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** Writes ONNX nodes; given to an op's `lower`. */
export interface Lowering {
  /** Appends a node and returns its single output's name. */
  emit(opType: string, inputs: string[], attrs?: OnnxAttrs, domain?: string): string;
  /** An int64 initialiser (axes, shapes). */
  ints(values: readonly number[]): string;
  /** Position ids 0…length−1 for each of `batch` rows, int64. */
  positions(batch: number, length: number): string;
  /** A float32 initialiser. */
  floats(values: readonly number[], shape: Shape): string;
  /** Names of the ONNX inputs that carry a q8 or q4 value as MatMulNBits takes it. */
  packed(value: Value): { data: string; scales: string };
  /** A q8 or q4 value [N, K] as a float32 matrix [N, K padded to whole blocks], from the same bytes. */
  dequantised(value: Value): string;
}

export type OnnxAttrs = Record<string, number | { int: number } | { ints: readonly number[] }>;

interface Definition<A> {
  /** Fewest and most inputs. */
  readonly arity: readonly [number, number];
  readonly infer: (inputs: readonly Value[], attrs: A) => Shape;
  /** Emits ONNX for the node; `names` are the inputs' ONNX names, in order. Returns the output's name. */
  readonly lower: (
    to: Lowering,
    names: string[],
    node: { inputs: readonly Value[]; attrs: A; output: Value },
  ) => string;
  /** float64 reference, deliberately simple: the oracle of the tests. */
  readonly evaluate: (inputs: readonly Dense[], attrs: A, shape: Shape) => Float64Array;
  /**
   * Gradient of each input given the gradient `dy` of the output; `undefined` for an input that has none.
   * `needs[i]` tells which are wanted, so that unused work is not emitted.
   * @param fused whether the executor has ops that are gradients (`attentionQueryGradient` and the like); else they are products and sums
   */
  readonly vjp: (
    g: GraphBuilder,
    node: { inputs: readonly Value[]; attrs: A; output: Value },
    dy: Value,
    needs: readonly boolean[],
    fused: boolean,
  ) => (Value | undefined)[];
}

export type OpDefinition = Definition<Attrs>;

/** Checks an op's four parts against its own attribute type, then forgets that type for the registry. */
export function defineOp<A extends Attrs>(definition: Definition<A>): OpDefinition {
  return definition as unknown as OpDefinition;
}
