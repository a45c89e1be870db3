import { ModelError } from '../../base/errors.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import type { Adapter, WeightStore } from './adapter.ts';
import { usedBlocks, type NetworkConfig, type VitConfig } from './config.ts';
import { attentionMask, headDimOf, ropeTables } from './decoder.ts';
import { generate, type GenerateOptions } from './generate.ts';
import { GraphRunner, type Trace } from './graph-runner.ts';
import type { Partition, Segment } from './segment.ts';
import type { Tape } from './tape.ts';
import { hasFilm, visionSegments } from './vision.ts';

export type { Partition };

export interface NetworkOptions {
  /** Default: by the size of the base's weights. */
  partition?: Partition;
  trace?: Trace;
}

/** Sequence lengths whose tables are kept. */
const TABLE_LENGTHS = 8;

/** What depends on the positions alone. */
type PositionTables = { readonly cos: Tensor; readonly sin: Tensor; readonly mask?: Tensor };

/** Weights up to this size are bound to one graph. */
const WHOLE_LIMIT = 256 * 2 ** 20;

/**
 * Vision backbones, projector and language model of a Prismatic policy, as one list of segments. The weights are frozen; what is trained lies in an
 * adapter over them. Gradients come from the VJP of the same graphs.
 */
export class Network {
  readonly config: NetworkConfig;
  readonly partition: Partition;
  readonly #runtime: Runtime;
  readonly #graphs: GraphRunner;
  readonly #tables = new Map<number, PositionTables>();

  /** @param byteLength of the base's weights: decides how the network is cut into graphs. */
  constructor(
    runtime: Runtime,
    config: NetworkConfig,
    base: WeightStore,
    byteLength: number,
    options: NetworkOptions = {},
  ) {
    this.config = config;
    this.partition = options.partition ?? (byteLength <= WHOLE_LIMIT ? 'whole' : 'blocks');
    this.#runtime = runtime;
    this.#graphs = new GraphRunner(runtime, base, options.trace);
  }

  /** Lays an adapter over the base from the next call on, or none. It stays the caller's. */
  use(adapter: Adapter | null): void {
    this.#graphs.use(adapter);
  }

  /**
   * @param pixels of one sample [images, 3 · backbones, H, W], normalised
   * @param language its mean language embedding [1, hidden], for FiLM
   * @returns patch tokens [1, images · patches, hidden]; the caller disposes them
   */
  async vision(pixels: Tensor, language?: Tensor): Promise<Tensor> {
    if (hasFilm(this.config) && !language)
      throw new ModelError('bad-input', 'This policy has FiLM and needs the language embedding.');
    const segments = visionSegments(this.config, { samples: 1, blocksOf: (vit) => this.#blocksOf(vit) });
    const feeds: Tensors = { pixels, ...(language ? { language } : {}) };
    const { patches } = await this.#graphs.run(segments, feeds, ['patches'], this.partition);
    return patches!;
  }

  /**
   * The language model and what comes before and after it.
   * @param length positions of the sequence: the tables that depend on them are fed, too
   * @returns the values `wanted`, which are the caller's to dispose
   */
  async run(
    segments: readonly Segment[],
    length: number,
    feeds: Tensors,
    wanted: readonly string[],
  ): Promise<Tensors> {
    return this.#graphs.run(segments, { ...this.#tablesFor(length), ...feeds }, wanted, this.partition);
  }

  /**
   * The same with a `loss` [1], and back from it: gradients, times `factor`, go to the tape's sink.
   * @param wanted `loss`, and what else is to be returned
   */
  async differentiate(
    segments: readonly Segment[],
    length: number,
    feeds: Tensors,
    wanted: readonly string[],
    { tape, factor }: { readonly tape: Tape; readonly factor: number },
  ): Promise<Tensors> {
    return this.#graphs.differentiate(segments, { ...this.#tablesFor(length), ...feeds }, wanted, {
      partition: this.partition,
      tape,
      factor,
    });
  }

  /** Tokens after a prompt, one after the other, as `generate`. @param parts of the prompt [1, n, hidden]: first token, patches, text */
  async generate(
    parts: Tensors,
    options: Pick<GenerateOptions, 'count' | 'choose' | 'embed'>,
  ): Promise<number[]> {
    return generate({
      ...options,
      runtime: this.#runtime,
      config: this.config,
      parts,
      run: (segments, feeds, wanted) => this.#graphs.run(segments, feeds, wanted, this.partition),
    });
  }

  /** Whether stages are asked for. */
  get traced(): boolean {
    return this.#graphs.traced;
  }

  async dispose(): Promise<void> {
    await this.#graphs.dispose();
    for (const length of this.#tables.keys()) this.#disposeTables(length);
  }

  #disposeTables(length: number): void {
    for (const tensor of Object.values(this.#tables.get(length) ?? {})) tensor.dispose();
    this.#tables.delete(length);
  }

  /** A traced run goes through the last block too: nothing reads it, but upstream computes it. */
  #blocksOf(vit: VitConfig): number {
    return this.#graphs.traced ? vit.depth : usedBlocks(vit);
  }

  /** Rotary tables and, where the language model is causal, its mask. */
  #tablesFor(length: number): PositionTables {
    const known = this.#tables.get(length);
    // They were disposed with the attempt that made them, if it failed (`Runtime.attempt`).
    if (known && !Object.values(known).some((tensor) => tensor.disposed)) return known;
    // One per sequence length; the oldest goes, so that typing many instructions does not fill the GPU.
    const oldest = this.#tables.size >= TABLE_LENGTHS ? this.#tables.keys().next() : null;
    if (oldest && !oldest.done) this.#disposeTables(oldest.value);
    const { language } = this.config;
    const shape = [length, headDimOf(language) / 2];
    const { cos, sin } = ropeTables(language, length);
    const mask = attentionMask(language, length, length);
    const uploaded: PositionTables = {
      cos: this.#runtime.upload(cos, shape),
      sin: this.#runtime.upload(sin, shape),
      ...(mask ? { mask: this.#runtime.upload(mask, [1, 1, length, length]) } : {}),
    };
    this.#tables.set(length, uploaded);
    return uploaded;
  }
}
