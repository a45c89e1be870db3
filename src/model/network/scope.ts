import { ModelError } from '../../base/errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import { sizeOf, type DType, type Shape, type Value } from '../graph/types.ts';

/** Shape and encoding of every weight that can be bound, by upstream's name. */
export type WeightTable = Pick<
  ReadonlyMap<string, { readonly shape: Shape; readonly dtype: DType }>,
  'get' | 'has'
>;

export interface LoraPath {
  /** α / r */
  readonly scaling: number;
  /** Multiply the path's input by a mask, which becomes a graph input of its own (`loraNames(module).dropout`). */
  readonly dropout: boolean;
  /**
   * Add scaling · B · A to the weight, as PEFT's merge does, where the path beside it would cost more: many rows go through layers that are
   * hardly wider than the rank. Not with dropout, which only the path has.
   */
  readonly merged?: boolean;
}

/** Where LoRA's factors of a linear layer lie: beside its weight. */
export const loraNames = (module: string) => ({
  a: `${module}.lora_A.weight`,
  b: `${module}.lora_B.weight`,
  dropout: `${module}.lora_dropout`,
});

/**
 * Declares weights as graph inputs while a network function runs.
 *
 * `prefix` is where the weights are found; `label` is what the graph calls them. A graph shared by all blocks of a
 * stack uses an empty label, so its inputs are `attn.qkv.weight`, …, and each run binds another block's tensors.
 * Linear layers that the table has `lora_A` and `lora_B` of get LoRA's path.
 */
export class Scope {
  readonly #g: GraphBuilder;
  readonly #table: WeightTable;
  readonly #prefix: string;
  readonly #label: string;
  readonly #lora: LoraPath;

  constructor(
    g: GraphBuilder,
    table: WeightTable,
    prefix: string,
    label = prefix,
    lora: LoraPath = { scaling: 1, dropout: false },
  ) {
    this.#g = g;
    this.#table = table;
    this.#prefix = prefix;
    this.#label = label;
    this.#lora = lora;
  }

  child(name: string): Scope {
    return new Scope(this.#g, this.#table, `${this.#prefix}${name}.`, `${this.#label}${name}.`, this.#lora);
  }

  has(name: string): boolean {
    return this.#table.has(this.#prefix + name);
  }

  /** The weight as a graph input; `shape` overrides the stored one where only the layout differs. */
  weight(name: string, shape?: Shape): Value {
    const label = this.#label + name;
    const known = this.#g.findInput(label);
    if (known) return known;
    const entry = this.#table.get(this.#prefix + name);
    if (!entry) throw new ModelError('missing-tensor', `The policy has no tensor "${this.#prefix}${name}".`);
    if (shape && sizeOf(shape) !== sizeOf(entry.shape)) {
      throw new ModelError(
        'bad-shape',
        `"${this.#prefix}${name}" has shape [${entry.shape.join(', ')}], expected [${shape.join(', ')}].`,
      );
    }
    return this.#g.input(label, shape ?? entry.shape, entry.dtype);
  }

  /**
   * x · Wᵀ + b with the weights `<name>.weight` and, if there is one, `<name>.bias`; plus scaling · (dropout(x) · Aᵀ) · Bᵀ where the
   * layer has LoRA factors. A convolution that is a matrix product says so by `shape` [out, in].
   */
  linear(name: string, x: Value, shape?: readonly [number, number]): Value {
    const g = this.#g;
    const bias = this.has(`${name}.bias`) ? this.weight(`${name}.bias`) : undefined;
    const weight = this.weight(`${name}.weight`, shape);
    const lora = loraNames(name);
    const down = this.#table.get(this.#prefix + lora.a);
    if (!down) return g.linear(x, weight, bias);
    const rank = down.shape[0]!;
    const { scaling, dropout, merged } = this.#lora;
    const [outputs, inputs] = weight.shape as [number, number];
    // Forwards and back the path takes three products with each factor for every row; the merged weight one more with itself.
    if (merged && !dropout && 3 * rank * (outputs + inputs) > outputs * inputs) {
      const product = g.matMul(this.weight(lora.b, [outputs, rank]), this.weight(lora.a, [rank, inputs]));
      const change = scaling === 1 ? product : g.scale(product, scaling);
      return g.linear(x, g.add(g.dequantise(weight), change), bias);
    }
    const y = g.linear(x, weight, bias);
    const input = dropout ? g.mul(x, g.input(this.#label + lora.dropout, x.shape)) : x;
    const low = g.linear(input, this.weight(lora.a, [rank, x.shape.at(-1)!]));
    const scaled = scaling === 1 ? low : g.scale(low, scaling);
    return g.add(y, g.linear(scaled, this.weight(lora.b, [y.shape.at(-1)!, rank])));
  }

  layerNorm(name: string, x: Value, eps: number): Value {
    return this.#g.layerNorm(x, this.weight(`${name}.weight`), this.weight(`${name}.bias`), eps);
  }
}

/** Names a value inside a graph, so that a parity run can ask for it. Does nothing otherwise. */
export type Tap = (name: string, value: Value) => void;
