import { ModelError } from '../errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import { sizeOf, type DType, type Shape, type Value } from '../graph/types.ts';

/** Shape and encoding of every weight that can be bound, by upstream's name. */
export type WeightTable = ReadonlyMap<string, { readonly shape: Shape; readonly dtype: DType }>;

/**
 * Declares weights as graph inputs while a network function runs.
 *
 * `prefix` is where the weights are found; `label` is what the graph calls them. A graph shared by all blocks of a
 * stack uses an empty label, so its inputs are `attn.qkv.weight`, …, and each run binds another block's tensors.
 */
export class Scope {
  readonly #g: GraphBuilder;
  readonly #table: WeightTable;
  readonly #prefix: string;
  readonly #label: string;

  constructor(g: GraphBuilder, table: WeightTable, prefix: string, label = prefix) {
    this.#g = g;
    this.#table = table;
    this.#prefix = prefix;
    this.#label = label;
  }

  child(name: string): Scope {
    return new Scope(this.#g, this.#table, `${this.#prefix}${name}.`, `${this.#label}${name}.`);
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

  /** x · Wᵀ + b with the weights `<name>.weight` and, if there is one, `<name>.bias`. LoRA joins here. */
  linear(name: string, x: Value): Value {
    const bias = this.has(`${name}.bias`) ? this.weight(`${name}.bias`) : undefined;
    return this.#g.linear(x, this.weight(`${name}.weight`), bias);
  }

  layerNorm(name: string, x: Value, eps: number): Value {
    return this.#g.layerNorm(x, this.weight(`${name}.weight`), this.weight(`${name}.bias`), eps);
  }
}

/** Names a value inside a graph, so that a parity run can ask for it. Does nothing otherwise. */
export type Tap = (name: string, value: Value) => void;
