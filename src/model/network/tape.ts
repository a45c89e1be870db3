/** Reverse mode over what ran: each entry is one compiled graph or one hand-written module. */
import { ModelError } from '../../base/errors.ts';
import type { Rows } from '../graph/gradient-parts.ts';
import type { Shape } from '../graph/types.ts';
import type { Tensor } from '../runtime/runtime.ts';

export interface TapeEntry {
  /** Full names of the trained weights that it binds. */
  readonly trained: readonly string[];
  /** The tensors whose gradients `backward` can give. */
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  /**
   * Recomputes what it needs, hands the gradients of trainable weights to the tape's sink and returns the gradient of each
   * input (null where `needs` is false). `dy` stays the tape's.
   */
  backward(dy: Tensor, needs: readonly boolean[]): Promise<readonly (Tensor | null)[]>;
  /** Sums two gradients of an input that other entries read, too, and frees both. Without it nothing else may read its inputs. */
  add?(a: Tensor, b: Tensor): Promise<Tensor>;
}

/** Which gradient a sink is given. */
export interface GradientOf {
  readonly name: string;
  /** Of a weight whose gradient comes in parts. */
  readonly rows: Rows | null;
  /** Whether it is complete with this: nothing further back binds the weight. */
  readonly last: boolean;
}

/** Takes the gradient of one trainable weight; the tensor is freed when the promise resolves. */
export type GradientSink = (of: GradientOf, gradient: Tensor) => Promise<void>;

export interface TapeOptions {
  /** Whether a weight of that name is trained. */
  readonly trains: (name: string) => boolean;
  readonly sink: GradientSink;
  /** What the gradient of a trainable weight is added to, where the runtime does so by itself; its sink gets none then. */
  readonly sums?: ((name: string) => Tensor) | undefined;
  /** Gradients of linear layers with more numbers come in parts of at most as many, rows by rows. Default: whole. */
  readonly splitAbove?: number;
  /** Makes the mask of LoRA's dropout for one layer's input: 0, or 1 / (1 − p). Null for no dropout. */
  readonly dropout?: ((shape: Shape) => Tensor) | null;
}

/**
 * Records a forward pass so that it can be run backwards. Only the inputs of each entry are kept (gradient checkpointing at
 * the entries' borders). Where several entries read a tensor, their gradients are summed.
 */
export class Tape {
  readonly sink: GradientSink;
  readonly trains: (name: string) => boolean;
  readonly sums: ((name: string) => Tensor) | undefined;
  readonly splitAbove: number;
  readonly #options: TapeOptions;
  readonly #parent: Tape | null;
  /** How many entries that were not gone back through bind a weight. */
  readonly #uses = new Map<string, number>();
  readonly #dropout: ((shape: Shape) => Tensor) | null;
  readonly #entries: TapeEntry[] = [];
  readonly #differentiable = new Set<Tensor>();
  readonly #kept = new Set<Tensor>();

  constructor(options: TapeOptions, parent: Tape | null = null) {
    const { trains, sink, sums, splitAbove = Infinity, dropout = null } = options;
    this.#options = options;
    this.#parent = parent;
    this.trains = trains;
    this.sink = sink;
    this.sums = sums;
    this.splitAbove = splitAbove;
    this.#dropout = dropout;
  }

  get hasDropout(): boolean {
    return this.#dropout !== null;
  }

  /** A new dropout mask; it lives as long as the tape, as the way back needs it again. */
  dropoutMask(shape: Shape): Tensor {
    const mask = this.#dropout!(shape);
    this.#kept.add(mask);
    return mask;
  }

  /** True for tensors that depend on a trained weight. */
  differentiable(tensor: Tensor): boolean {
    return this.#differentiable.has(tensor);
  }

  record(entry: TapeEntry): void {
    this.#entries.push(entry);
    for (const name of entry.trained) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
    this.#differentiable.add(entry.output);
  }

  /** Whether nothing but the entry that is gone back through, or nothing at all, binds a weight. */
  isLast(name: string): boolean {
    return (this.#uses.get(name) ?? 0) <= 1 && (this.#parent?.isLast(name) ?? true);
  }

  /** For what an entry of this one runs again on its way back. */
  inner(): Tape {
    return new Tape(this.#options, this);
  }

  /** To be called instead of `tensor.dispose()`: keeps what the way back needs, until the tape is disposed. */
  release(tensor: Tensor): void {
    this.#kept.add(tensor);
  }

  /** Runs back from `output`, whose gradient is `dy` (freed here). */
  async backward(output: Tensor, dy: Tensor): Promise<void> {
    const gradients = new Map<Tensor, Tensor>([[output, dy]]);
    try {
      const entries = this.#entries.splice(0);
      for (let entry = entries.pop(); entry; entry = entries.pop()) {
        const gradient = gradients.get(entry.output);
        if (gradient) await this.#through(entry, gradient, gradients);
        for (const name of entry.trained) this.#uses.set(name, this.#uses.get(name)! - 1);
        this.#free(entry, entries);
      }
    } finally {
      for (const gradient of gradients.values()) gradient.dispose();
    }
  }

  /** What an entry kept is freed once no other has to go back to it. */
  #free({ inputs }: TapeEntry, left: readonly TapeEntry[]): void {
    for (const tensor of inputs) {
      if (left.some((other) => other.inputs.includes(tensor)) || !this.#kept.delete(tensor)) continue;
      tensor.dispose();
    }
  }

  async #through(entry: TapeEntry, gradient: Tensor, gradients: Map<Tensor, Tensor>): Promise<void> {
    const needs = entry.inputs.map((input) => this.#differentiable.has(input));
    const results = await entry.backward(gradient, needs);
    gradients.delete(entry.output);
    gradient.dispose();
    for (const [i, result] of results.entries()) {
      if (!result) continue;
      const input = entry.inputs[i]!;
      const known = gradients.get(input);
      if (known && !entry.add) {
        result.dispose();
        throw new ModelError(
          'unsupported',
          'A tensor feeds two entries of a tape; gradients are not summed.',
        );
      }
      gradients.delete(input);
      gradients.set(input, known && entry.add ? await entry.add(known, result) : result);
    }
  }

  dispose(): void {
    for (const tensor of this.#kept) tensor.dispose();
    this.#kept.clear();
    this.#entries.length = 0;
    this.#uses.clear();
    this.#differentiable.clear();
  }
}
