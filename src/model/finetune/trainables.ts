import { ModelError } from '../../base/errors.ts';
import type { Adapter } from '../network/adapter.ts';
import type { Partition } from '../network/segment.ts';
import type { WeightTable } from '../network/scope.ts';
import type { TapeOptions } from '../network/tape.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { createArena, type AdamWOptions, type Arena, type Kind, type StreamedStep } from './arena.ts';
import type { HostTensor } from './trained.ts';

/** Numbers of a gradient that lie in memory at once in a streamed step, if it can be split. */
export const SPLIT_ABOVE = 2 ** 22;

/** Whether a run's gradients can be used up as they come; as one graph, all are there at once anyway. */
export const canStream = (
  options: { readonly gradAccumulationSteps: number; readonly maxGradNorm: number | null },
  partition: Partition,
): boolean => options.gradAccumulationSteps === 1 && options.maxGradNorm === null && partition === 'blocks';

/**
 * The trained parameters as an adapter over the base, with their optimiser. Parameters without a gradient (the last ViT block's LoRA,
 * attention pooling's, lm_head's under L1 and diffusion) are not part of it: AdamW never touches them, nor decays them.
 */
export class Trainables implements Adapter {
  readonly names: readonly string[];
  readonly scaling: number;
  readonly table: WeightTable;
  readonly #arena: Arena;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  #steps = 0;
  #stream: StreamedStep | null = null;
  /** Whether a step ended half-way, with some of the parameters changed. */
  #torn = false;

  /**
   * @param scaling LoRA's α/r
   * @param streamed use gradients up as they come, where the runtime can (`stream`)
   */
  constructor(
    runtime: Runtime,
    parameters: ReadonlyMap<string, HostTensor>,
    scaling: number,
    { streamed = false }: { readonly streamed?: boolean } = {},
  ) {
    this.names = [...parameters.keys()];
    this.scaling = scaling;
    this.table = new Map(
      [...parameters].map(([name, { shape }]) => [name, { shape, dtype: 'float32' as const }]),
    );
    this.#shapes = new Map([...parameters].map(([name, { shape }]) => [name, shape]));
    this.#arena = createArena(runtime, parameters, streamed);
  }

  /** Optimiser steps done. */
  get steps(): number {
    return this.#steps;
  }

  get byteLength(): number {
    return this.#arena.byteLength;
  }

  tensor(name: string): Tensor {
    return this.#arena.tensor(name);
  }

  has(name: string): boolean {
    return this.#shapes.has(name);
  }

  /** For a tape whose gradients are added up here. */
  get tapeOptions(): Pick<TapeOptions, 'trains' | 'sink' | 'sums'> {
    const summed = this.names.every((name) => this.#arena.gradientSum(name) !== null);
    return {
      trains: (name) => this.has(name),
      sink: ({ name }, gradient) => this.#arena.accumulate(name, gradient),
      ...(summed ? { sums: (name: string) => this.#arena.gradientSum(name)! } : {}),
    };
  }

  gradient(name: string): Promise<Float32Array> {
    return this.#arena.gradient(name);
  }

  /**
   * Begins a step whose gradients are used up as the tape goes back; `step` then ends it. Null where gradients are kept.
   * @throws ModelError as `state`
   */
  stream(options: AdamWOptions): Pick<TapeOptions, 'trains' | 'sink' | 'splitAbove'> | null {
    this.#requireWhole();
    this.#stream = this.#arena.stream?.(this.#steps + 1, options) ?? null;
    return (
      this.#stream && { trains: (name) => this.has(name), sink: this.#stream.sink, splitAbove: SPLIT_ABOVE }
    );
  }

  /** AdamW over everything; returns the gradients' L2 norm. @throws ModelError as `state` */
  async step(options: AdamWOptions): Promise<number> {
    this.#requireWhole();
    const norm = await (this.#stream?.finish() ?? this.#arena.step(this.#steps + 1, options));
    this.#stream = null;
    this.#steps += 1;
    return norm;
  }

  /** Forgets what was accumulated since the last step: after a step that failed half-way. */
  discardGradients(): void {
    if (this.#stream?.begun) this.#torn = true;
    this.#stream?.abandon();
    this.#stream = null;
    this.#arena.clearGradients();
  }

  #requireWhole(): void {
    if (!this.#torn) return;
    throw new ModelError(
      'bad-input',
      'The last step failed half-way, when some of the parameters had been changed already.',
      'Resume the run from its last checkpoint.',
    );
  }

  /** @throws ModelError as `state` */
  async value(name: string): Promise<HostTensor> {
    this.#requireWhole();
    return { shape: this.#shapes.get(name)!, data: await this.#arena.read('parameter', name) };
  }

  /** Parameters and moments, as `<kind>/<name>`. @throws ModelError `bad-input` after a streamed step that failed half-way */
  async state(): Promise<Map<string, HostTensor>> {
    this.#requireWhole();
    const tensors = new Map<string, HostTensor>();
    for (const kind of KINDS) {
      for (const [name, shape] of this.#shapes) {
        tensors.set(`${kind}/${name}`, { shape, data: await this.#arena.read(kind, name) });
      }
    }
    return tensors;
  }

  /** The inverse of `state`. @returns names that are missing or have another size; nothing is changed unless there are none */
  restore(steps: number, tensors: ReadonlyMap<string, HostTensor>): string[] {
    const wanted = KINDS.flatMap((kind) =>
      this.names.map((name) => ({ kind, name, key: `${kind}/${name}` })),
    );
    const wrong = wanted.filter(
      ({ name, key }) => tensors.get(key)?.shape.join() !== this.#shapes.get(name)!.join(),
    );
    if (wrong.length > 0) return wrong.map(({ key }) => key);
    for (const { kind, name, key } of wanted) this.#arena.write(kind, name, tensors.get(key)!.data);
    this.#steps = steps;
    this.#torn = false;
    return [];
  }

  dispose(): void {
    this.#arena.dispose();
  }
}

const KINDS: readonly Kind[] = ['parameter', 'exp_avg', 'exp_avg_sq'];
