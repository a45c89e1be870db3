import { ModelError } from '../errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { Value } from '../graph/types.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import type { Adapter, WeightStore } from './adapter.ts';
import { headDimOf, usedBlocks, type NetworkConfig, type VitConfig } from './config.ts';
import { GraphRunner, type Trace } from './graph-runner.ts';
import { llamaBlock, llamaBlocks, llamaFinalNorm, ropeTables } from './llama.ts';
import type { Scope, Tap } from './scope.ts';
import type { Tape } from './tape.ts';
import { channelsOf, featuresOf, joinFeatures, stageOf, stageTap, visionGraph } from './vision.ts';
import { vitBlock, vitEmbed } from './vit.ts';

/**
 * `whole`: the vision part and the language part are one graph each (small models: a run costs about 1 ms besides its work).
 * `blocks`: one graph per kind of block, bound to each block's weights in turn (7B: no graph sees all weights).
 */
export type Partition = 'whole' | 'blocks';

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

/** Sequence lengths whose rotary tables are kept. */
const ROPE_LENGTHS = 8;

/** Weights up to this size are bound to one graph. */
const WHOLE_LIMIT = 256 * 2 ** 20;

/** B sequences of one length S; all stay the caller's. */
export interface SequenceInputs {
  /** [B, 1, hidden]: the embedding of BOS. */
  readonly bos: Tensor;
  /** [B, P, hidden]: the projected patches of all images. */
  readonly patches: Tensor;
  /** [B, 1, hidden] each: proprio, then diffusion timestep. */
  readonly extra: readonly Tensor[];
  /** Embeddings of what follows, in parts [B, n, hidden]: rest of the prompt, actions, stop token, padding. */
  readonly text: readonly Tensor[];
  /** Features [B, R, hidden] added at the positions where `place` [B, S, R] holds ones: noisy actions of sequences whose prompts differ in length. */
  readonly placed?: { readonly features: Tensor; readonly place: Tensor } | undefined;
  /** Added to the attention scores [B, 1, S, S]: −∞-like on padding columns. None where nothing is padded. */
  readonly mask?: Tensor | undefined;
}

/** Positions wanted of the final hidden states: one range for all, or ones in [B, R, S] where they differ. */
export type Rows = { readonly start: number; readonly end: number } | { readonly select: Tensor };

/**
 * Vision backbones, projector and language model of OpenVLA-OFT. The weights are frozen; what is trained lies in an
 * adapter over them. With a tape the same graphs are recorded, to be run backwards by their VJP.
 */
export class Network {
  readonly config: NetworkConfig;
  readonly partition: Partition;
  readonly #runtime: Runtime;
  readonly #graphs: GraphRunner;
  readonly #rope = new Map<number, { cos: Tensor; sin: Tensor }>();

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
    const film = this.config.vits.some((vit) => vit.film);
    if (film && !language)
      throw new ModelError('bad-input', 'This policy has FiLM and needs the language embedding.');
    const feeds: Tensors = { pixels, ...(film && language ? { language } : {}) };
    const key = `vision ${samples} ${pixels.shape.join('x')}`;
    const free = (tensor: Tensor) => (tape ? tape.release(tensor) : tensor.dispose());
    if (this.partition === 'whole') {
      return this.#graphs.run(key, '', feeds, 'projector_out', tape, (g, scope, tap) => {
        const input = g.input('pixels', pixels.shape);
        const lang = film ? g.input('language', language!.shape) : undefined;
        return visionGraph(g, this.config, scope, input, {
          language: lang,
          samples,
          tap,
          blocksOf: (vit) => this.#blocksOf(vit),
        });
      });
    }

    const features: Tensor[] = [];
    for (const [i, vit] of this.config.vits.entries()) {
      let x = await this.#graphs.run(
        `${key} embed ${i}`,
        vit.prefix,
        { pixels },
        `${stageOf(vit)}/embedded`,
        tape,
        (g, scope, tap) =>
          vitEmbed(g, vit, scope(''), channelsOf(g, g.input('pixels', pixels.shape), i), stageTap(tap, vit)),
      );
      for (let block = 0; block < this.#blocksOf(vit); block++) {
        const stage = `${stageOf(vit)}/block${block}`;
        const next = await this.#graphs.runOn(
          `${key} block ${i}`,
          `${vit.prefix}.blocks.${block}`,
          x,
          feeds,
          stage,
          tape,
          (g, scope, input, tap) => {
            const lang = vit.film ? g.input('language', language!.shape) : undefined;
            return vitBlock(g, vit, scope(''), input, lang, (name, value) => tap(`${stage}.${name}`, value));
          },
        );
        // The features are the output of block depth − 2; a block after it runs only to be traced.
        free(block < usedBlocks(vit) ? x : next);
        if (block < usedBlocks(vit)) x = next;
      }
      features.push(x);
    }
    const joined = Object.fromEntries(features.map((tensor, i) => [`features${i}`, tensor]));
    const patches = await this.#graphs.run(
      `${key} join`,
      '',
      joined,
      'projector_out',
      tape,
      (g, scope, tap) => {
        const inputs = this.config.vits.map((vit, i) =>
          featuresOf(g, vit, g.input(`features${i}`, features[i]!.shape), tap),
        );
        return joinFeatures(g, this.config, scope('projector'), inputs, samples, tap);
      },
    );
    for (const tensor of features) free(tensor);
    return patches;
  }

  /**
   * The language model over [BOS, patches, extra, text], bidirectional.
   * @param rows positions wanted (those of the actions)
   * @returns final hidden states of those rows [B, rows, hidden]; the caller disposes them
   */
  async language(inputs: SequenceInputs, rows: Rows, tape?: Tape): Promise<Tensor> {
    const { llama } = this.config;
    const free = (tensor: Tensor) => (tape ? tape.release(tensor) : tensor.dispose());
    const batch = inputs.bos.shape[0]!;
    const parts: Tensors = { bos: inputs.bos, patches: inputs.patches };
    inputs.extra.forEach((tensor, i) => (parts[`extra${i}`] = tensor));
    inputs.text.forEach((tensor, i) => (parts[`text${i}`] = tensor));
    const length = Object.values(parts).reduce((sum, tensor) => sum + tensor.shape[1]!, 0);
    const lengths = Object.values(parts).map((tensor) => tensor.shape[1]);
    const { placed, mask } = inputs;
    const assembly: Tensors = placed ? { ...parts, features: placed.features, place: placed.place } : parts;
    const blockFeeds: Tensors = { ...this.#ropeFor(length), ...(mask ? { mask } : {}) };
    const rowFeeds: Tensors = 'select' in rows ? { select: rows.select } : {};
    const assemble = (g: GraphBuilder, tap: Tap) => {
      const joined = g.concat(
        Object.entries(parts).map(([name, tensor]) => g.input(name, tensor.shape)),
        1,
      );
      const x = placed
        ? g.add(
            joined,
            g.matMul(g.input('place', placed.place.shape), g.input('features', placed.features.shape)),
          )
        : joined;
      tap('multimodal_embeddings', x);
      return x;
    };
    const blockInputs = (g: GraphBuilder) => ({
      rope: {
        cos: g.input('cos', [length, headDimOf(llama) / 2]),
        sin: g.input('sin', [length, headDimOf(llama) / 2]),
      },
      mask: mask && g.input('mask', mask.shape),
    });
    const finish = (g: GraphBuilder, scope: Scope, x: Value, tap: Tap) => {
      const normed = llamaFinalNorm(g, llama, scope, x);
      tap('llm/final_norm', normed);
      return 'select' in rows
        ? g.matMul(g.input('select', rows.select.shape), normed)
        : g.slice(normed, 1, rows.start, rows.end);
    };
    const span = 'select' in rows ? `select ${rows.select.shape[1]}` : `${rows.start}:${rows.end}`;
    const key = `${batch}x${lengths.join()}${placed ? ` + ${placed.features.shape[1]}` : ''}`;
    const block = `${batch}x${length}${mask ? ' masked' : ''}`;

    if (this.partition === 'whole') {
      return this.#graphs.run(
        `language ${key} ${block} ${span}`,
        '',
        { ...assembly, ...blockFeeds, ...rowFeeds },
        'actions_hidden_states',
        tape,
        (g, scope, tap) => {
          const model = scope('language_model.model');
          const shared = blockInputs(g);
          const x = llamaBlocks(g, llama, model, assemble(g, tap), shared.rope, shared.mask, tap);
          return finish(g, model, x, tap);
        },
      );
    }

    let x = await this.#graphs.run(`assemble ${key}`, '', assembly, 'multimodal_embeddings', tape, (g) =>
      assemble(g, () => undefined),
    );
    for (let layer = 0; layer < llama.layers; layer++) {
      const stage = `llm/layer${layer}`;
      const prefix = `language_model.model.layers.${layer}`;
      const next = await this.#graphs.runOn(
        `llama block ${block}`,
        prefix,
        x,
        blockFeeds,
        stage,
        tape,
        (g, scope, input, tap) => {
          const shared = blockInputs(g);
          return llamaBlock(g, llama, scope(''), input, shared.rope, shared.mask, (name, value) =>
            tap(`${stage}.${name}`, value),
          );
        },
      );
      free(x);
      x = next;
    }
    const states = await this.#graphs.runOn(
      `llama norm ${block} ${span}`,
      'language_model.model',
      x,
      rowFeeds,
      'actions_hidden_states',
      tape,
      (g, scope, input, tap) => finish(g, scope(''), input, tap),
    );
    free(x);
    return states;
  }

  /** lm_head on [B, rows, hidden] → [B, rows, vocabulary]; the caller disposes it. */
  async logits(hidden: Tensor, tape?: Tape): Promise<Tensor> {
    const key = `logits ${hidden.shape.slice(0, 2).join('x')}`;
    return this.#graphs.run(key, '', { hidden }, 'logits', tape, (g, scope) =>
      scope('language_model').linear('lm_head', g.input('hidden', hidden.shape)),
    );
  }

  /**
   * A graph over the whole policy, forwards and back at once (`GraphRunner.differentiate`), with the rotary tables of `length` positions as
   * inputs `cos` and `sin`. For the partition `whole`.
   */
  async differentiate(
    key: string,
    length: number,
    feeds: Tensors,
    factor: number,
    tape: Tape,
    build: Parameters<GraphRunner['differentiate']>[4],
  ): Promise<{ loss: Tensor; predicted: Tensor }> {
    return this.#graphs.differentiate(key, { ...feeds, ...this.#ropeFor(length) }, factor, tape, build);
  }

  async dispose(): Promise<void> {
    await this.#graphs.dispose();
    for (const length of this.#rope.keys()) this.#disposeRope(length);
  }

  #disposeRope(length: number): void {
    const tables = this.#rope.get(length);
    tables?.cos.dispose();
    tables?.sin.dispose();
    this.#rope.delete(length);
  }

  /** A traced run goes through the last block too: nothing reads it, but upstream computes it. */
  #blocksOf(vit: VitConfig): number {
    return this.#graphs.traced ? vit.depth : usedBlocks(vit);
  }

  #ropeFor(length: number): { cos: Tensor; sin: Tensor } {
    const known = this.#rope.get(length);
    // They were disposed with the attempt that made them, if it failed (`Runtime.attempt`).
    if (known && !known.cos.disposed && !known.sin.disposed) return known;
    // One per sequence length; the oldest goes, so that typing many instructions does not fill the GPU.
    const oldest = this.#rope.size >= ROPE_LENGTHS ? this.#rope.keys().next() : null;
    if (oldest && !oldest.done) this.#disposeRope(oldest.value);
    const shape = [length, headDimOf(this.config.llama) / 2];
    const tables = ropeTables(this.config.llama, length);
    const uploaded = {
      cos: this.#runtime.upload(tables.cos, shape),
      sin: this.#runtime.upload(tables.sin, shape),
    };
    this.#rope.set(length, uploaded);
    return uploaded;
  }
}
