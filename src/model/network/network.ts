import { ModelError } from '../errors.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import type { Adapter, WeightStore } from './adapter.ts';
import { usedBlocks, type NetworkConfig, type VitConfig } from './config.ts';
import { attentionMask, headDimOf, ropeTables } from './decoder.ts';
import { generate, type GenerateOptions } from './generate.ts';
import { GraphRunner, type Trace } from './graph-runner.ts';
import { decoderSegments, finalRowsSegment, logitsSegment } from './language-segments.ts';
import type { Partition, Segment } from './segment.ts';
import type { Tape } from './tape.ts';
import { hasFilm, visionSegments } from './vision.ts';

export type { Partition };

export interface NetworkOptions {
  /** Default: by the size of the base's weights. */
  partition?: Partition;
  trace?: Trace;
}

export interface VisionOptions {
  /** Mean language embedding of each sample [samples, hidden], for FiLM. */
  readonly language?: Tensor | undefined;
  /** The pixels hold this many samples, each with the same number of images; default 1. */
  readonly samples?: number;
  readonly tape?: Tape | undefined;
}

/** Sequence lengths whose tables are kept. */
const TABLE_LENGTHS = 8;

/** What depends on the positions alone. */
type PositionTables = { readonly cos: Tensor; readonly sin: Tensor; readonly mask?: Tensor };

/** Weights up to this size are bound to one graph. */
const WHOLE_LIMIT = 256 * 2 ** 20;

/** B sequences of one length S; all stay the caller's. */
export interface SequenceInputs {
  /** [B, 1, hidden]: the embedding of the first token, which is BOS where the tokenizer has one. */
  readonly bos: Tensor;
  /** [B, P, hidden]: the projected patches of all images. */
  readonly patches: Tensor;
  /** [B, 1, hidden] each: proprio, then diffusion timestep. */
  readonly extra: readonly Tensor[];
  /** Embeddings of what follows, in parts [B, n, hidden]: rest of the prompt, actions, stop token, padding. */
  readonly text: readonly Tensor[];
  /**
   * Features [B, R, hidden] added at the positions where `place` [B, S, R] holds ones: noisy actions of sequences whose prompts differ in length, or
   * where none are given the policy's action queries.
   */
  readonly placed?:
    { readonly features: Tensor; readonly place: Tensor } | { readonly place: Tensor } | undefined;
  /** Added to the attention scores [B, 1, S, S]: −∞-like on padding columns. None where nothing is padded, or the mask is causal. */
  readonly mask?: Tensor | undefined;
}

/** Positions wanted of the final hidden states: one range for all, or ones in [B, R, S] where they differ. */
export type Rows = { readonly start: number; readonly end: number } | { readonly select: Tensor };

/**
 * Vision backbones, projector and language model of a Prismatic policy, as one list of segments. The weights are frozen; what is trained lies in an
 * adapter over them. With a tape the same graphs are recorded, to be run backwards by their VJP.
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
   * @param pixels [samples · images, 3 · backbones, H, W], normalised
   * @returns patch tokens [samples, images · patches, hidden]; the caller disposes them
   */
  async vision(pixels: Tensor, options: VisionOptions = {}): Promise<Tensor> {
    const { language, samples = 1, tape } = options;
    if (hasFilm(this.config) && !language)
      throw new ModelError('bad-input', 'This policy has FiLM and needs the language embedding.');
    const segments = visionSegments(this.config, { samples, blocksOf: (vit) => this.#blocksOf(vit) });
    const feeds: Tensors = { pixels, ...(language ? { language } : {}) };
    const { patches } = await this.#graphs.run(segments, feeds, ['patches'], {
      partition: this.partition,
      tape,
    });
    return patches!;
  }

  /**
   * The language model over [first token, patches, extra, text].
   * @param rows positions wanted (those of the actions)
   * @returns final hidden states of those rows [B, rows, hidden]; the caller disposes them
   */
  async language(inputs: SequenceInputs, rows: Rows, tape?: Tape): Promise<Tensor> {
    const tail = [finalRowsSegment(this.config, 'select' in rows ? 'select' : rows)];
    const feeds: Tensors = 'select' in rows ? { select: rows.select } : {};
    const { states } = await this.decode(inputs, tail, feeds, ['states'], tape);
    return states!;
  }

  /**
   * The layers of the language model over [first token, patches, extra, text], and what comes after them.
   * @param tail segments that read `hidden0` … `hidden<layers>`, and `feeds`
   * @returns the values `wanted`, which are the caller's to dispose
   */
  async decode(
    inputs: SequenceInputs,
    tail: readonly Segment[],
    feeds: Tensors,
    wanted: readonly string[],
    tape?: Tape,
  ): Promise<Tensors> {
    const { placed } = inputs;
    const parts: Tensors = { bos: inputs.bos, patches: inputs.patches };
    inputs.extra.forEach((tensor, i) => (parts[`extra${i}`] = tensor));
    inputs.text.forEach((tensor, i) => (parts[`text${i}`] = tensor));
    const length = Object.values(parts).reduce((sum, tensor) => sum + tensor.shape[1]!, 0);
    const tables = this.#tablesFor(length);
    const mask = inputs.mask ?? tables.mask;
    const head = decoderSegments(this.config, {
      parts: Object.keys(parts),
      placed: placed ? ('features' in placed ? 'features' : 'queries') : null,
      masked: mask !== undefined,
    });
    const all: Tensors = { ...parts, ...tables, ...placed, ...(mask ? { mask } : {}), ...feeds };
    return this.#graphs.run([...head, ...tail], all, wanted, { partition: this.partition, tape });
  }

  /** Tokens after a prompt, one after the other, as `generate`. */
  async generate(
    inputs: SequenceInputs,
    options: Pick<GenerateOptions, 'count' | 'choose' | 'embed'>,
  ): Promise<number[]> {
    const text = Object.fromEntries(inputs.text.map((tensor, i) => [`text${i}`, tensor]));
    return generate({
      ...options,
      runtime: this.#runtime,
      config: this.config,
      parts: { bos: inputs.bos, patches: inputs.patches, ...text },
      run: (segments, feeds, wanted) =>
        this.#graphs.run(segments, feeds, wanted, { partition: this.partition }),
    });
  }

  /** Whether stages are asked for. */
  get traced(): boolean {
    return this.#graphs.traced;
  }

  /** lm_head on [B, rows, hidden] → [B, rows, vocabulary]; the caller disposes it. */
  async logits(hidden: Tensor, tape?: Tape): Promise<Tensor> {
    const { logits } = await this.#graphs.run([logitsSegment()], { states: hidden }, ['logits'], {
      partition: this.partition,
      tape,
    });
    return logits!;
  }

  /**
   * A graph over the whole policy, forwards and back at once (`GraphRunner.differentiate`), with the tables of `length` positions as
   * inputs `cos`, `sin` and, for a causal language model, `mask`. For the partition `whole`.
   */
  async differentiate(
    key: string,
    length: number,
    feeds: Tensors,
    factor: number,
    tape: Tape,
    build: Parameters<GraphRunner['differentiate']>[4],
  ): Promise<{ loss: Tensor; predicted: Tensor }> {
    return this.#graphs.differentiate(key, { ...feeds, ...this.#tablesFor(length) }, factor, tape, build);
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
