import { ModelError } from '../errors.ts';
import { GraphBuilder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/types.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import { headDimOf, usedBlocks, type NetworkConfig, type VitConfig } from './config.ts';
import { llamaBlock, llamaFinalNorm, ropeTables } from './llama.ts';
import { ProgramCache } from './program-cache.ts';
import { projector } from './projector.ts';
import { Scope, type Tap, type WeightTable } from './scope.ts';
import { vitBlock, vitEmbed, vitFeatures } from './vit.ts';

/** Weights on the runtime, by upstream's name. They stay the store's; the network only binds them. */
export interface WeightStore {
  readonly table: WeightTable;
  tensor(name: string): Tensor;
}

/**
 * `whole`: the vision part and the language part are one graph each (small models: a run costs about 1 ms besides its work).
 * `blocks`: one graph per kind of block, bound to each block's weights in turn (7B: no graph sees all weights).
 */
export type Partition = 'whole' | 'blocks';

/** Hears of every named stage, as upstream's modules are named; used by parity runs. The tensor lives until it returns. */
export type Trace = (stage: string, tensor: Tensor) => Promise<void>;

export interface NetworkOptions {
  partition?: Partition;
  trace?: Trace;
}

/** Sequence lengths whose rotary tables are kept. */
const ROPE_LENGTHS = 8;

/** Weights up to this size are bound to one graph. */
const WHOLE_LIMIT = 256 * 2 ** 20;

export interface SequenceInputs {
  /** [1, 1, hidden]: the embedding of BOS. */
  readonly bos: Tensor;
  /** [1, P, hidden]: the projected patches of all images. */
  readonly patches: Tensor;
  /** [1, 1, hidden] each: proprio, then diffusion timestep. */
  readonly extra: readonly Tensor[];
  /** Embeddings of what follows, in parts [1, n, hidden]: rest of the prompt, actions, stop token. */
  readonly text: readonly Tensor[];
}

/** The frozen part of OpenVLA-OFT: vision backbones, projector, language model. */
export class Network {
  readonly config: NetworkConfig;
  readonly partition: Partition;
  readonly #runtime: Runtime;
  readonly #weights: WeightStore;
  readonly #programs: ProgramCache;
  readonly #trace: Trace | undefined;
  readonly #rope = new Map<number, { cos: Tensor; sin: Tensor }>();

  constructor(runtime: Runtime, config: NetworkConfig, weights: WeightStore, options: NetworkOptions = {}) {
    let byteLength = 0;
    for (const name of weights.table.keys()) byteLength += weights.tensor(name).byteLength;
    this.config = config;
    this.partition = options.partition ?? (byteLength <= WHOLE_LIMIT ? 'whole' : 'blocks');
    this.#runtime = runtime;
    this.#weights = weights;
    this.#programs = new ProgramCache(runtime);
    this.#trace = options.trace;
  }

  /**
   * @param pixels [images, 3 · backbones, H, W], normalised
   * @param language mean language embedding [1, hidden], for FiLM
   * @returns patch tokens [1, images · patches, hidden]; the caller disposes them
   */
  async vision(pixels: Tensor, language?: Tensor): Promise<Tensor> {
    const film = this.config.vits.some((vit) => vit.film);
    if (film && !language)
      throw new ModelError('bad-input', 'This policy has FiLM and needs the language embedding.');
    const feeds: Tensors = { pixels, ...(film && language ? { language } : {}) };
    const key = `vision ${pixels.shape.join('x')}`;
    if (this.partition === 'whole') {
      return this.#run(key, '', feeds, 'projector_out', (g, scope, tap) => {
        const input = g.input('pixels', pixels.shape);
        const lang = film ? g.input('language', language!.shape) : undefined;
        const features = this.config.vits.map((vit, i) => {
          const tower = scope(vit.prefix);
          let x = vitEmbed(g, vit, tower, channelsOf(g, input, i), stageTap(tap, vit));
          let output = x;
          for (let block = 0; block < this.#blocksOf(vit); block++) {
            x = vitBlock(g, vit, tower.child(`blocks.${block}`), x, lang, stageTap(tap, vit, block));
            tap(`${stageOf(vit)}/block${block}`, x);
            if (block === usedBlocks(vit) - 1) output = this.#features(g, vit, x, tap);
          }
          return output;
        });
        return this.#join(g, scope('projector'), features, tap);
      });
    }

    const features: Tensor[] = [];
    for (const [i, vit] of this.config.vits.entries()) {
      let x = await this.#run(
        `${key} embed ${i}`,
        vit.prefix,
        { pixels },
        `${stageOf(vit)}/embedded`,
        (g, scope, tap) =>
          vitEmbed(g, vit, scope(''), channelsOf(g, g.input('pixels', pixels.shape), i), stageTap(tap, vit)),
      );
      for (let block = 0; block < this.#blocksOf(vit); block++) {
        const stage = `${stageOf(vit)}/block${block}`;
        const next = await this.#on(
          `${key} block ${i}`,
          `${vit.prefix}.blocks.${block}`,
          x,
          feeds,
          stage,
          (g, scope, input, tap) => {
            const lang = vit.film ? g.input('language', language!.shape) : undefined;
            return vitBlock(g, vit, scope(''), input, lang, (name, value) => tap(`${stage}.${name}`, value));
          },
        );
        // The features are the output of block depth − 2; a block after it runs only to be traced.
        (block < usedBlocks(vit) ? x : next).dispose();
        if (block < usedBlocks(vit)) x = next;
      }
      features.push(x);
    }
    const joined = Object.fromEntries(features.map((tensor, i) => [`features${i}`, tensor]));
    const patches = await this.#run(`${key} join`, '', joined, 'projector_out', (g, scope, tap) => {
      const inputs = this.config.vits.map((vit, i) =>
        this.#features(g, vit, g.input(`features${i}`, features[i]!.shape), tap),
      );
      return this.#join(g, scope('projector'), inputs, tap);
    });
    for (const tensor of features) tensor.dispose();
    return patches;
  }

  /**
   * The language model over [BOS, patches, extra, text], bidirectional.
   * @param rows range of positions wanted (the action positions)
   * @returns final hidden states of those rows [1, rows, hidden]; the caller disposes them
   */
  async language(inputs: SequenceInputs, rows: { start: number; end: number }): Promise<Tensor> {
    const { llama } = this.config;
    const parts: Tensors = { bos: inputs.bos, patches: inputs.patches };
    inputs.extra.forEach((tensor, i) => (parts[`extra${i}`] = tensor));
    inputs.text.forEach((tensor, i) => (parts[`text${i}`] = tensor));
    const length = Object.values(parts).reduce((sum, tensor) => sum + tensor.shape[1]!, 0);
    const rope = this.#ropeFor(length);
    const key = `language ${Object.values(parts)
      .map((tensor) => tensor.shape[1])
      .join()}`;
    const assemble = (g: GraphBuilder, tap: Tap) => {
      const x = g.concat(
        Object.entries(parts).map(([name, tensor]) => g.input(name, tensor.shape)),
        1,
      );
      tap('multimodal_embeddings', x);
      return x;
    };
    const ropeInputs = (g: GraphBuilder) => ({
      cos: g.input('cos', [length, headDimOf(llama) / 2]),
      sin: g.input('sin', [length, headDimOf(llama) / 2]),
    });
    const finish = (g: GraphBuilder, scope: Scope, x: Value, tap: Tap) => {
      const normed = llamaFinalNorm(g, llama, scope, x);
      tap('llm/final_norm', normed);
      return g.slice(normed, 1, rows.start, rows.end);
    };
    const span = `${rows.start}:${rows.end}`;

    if (this.partition === 'whole') {
      return this.#run(
        `${key} ${span}`,
        '',
        { ...parts, ...rope },
        'actions_hidden_states',
        (g, scope, tap) => {
          const model = scope('language_model.model');
          const tables = ropeInputs(g);
          let x = assemble(g, tap);
          for (let layer = 0; layer < llama.layers; layer++) {
            x = llamaBlock(g, llama, model.child(`layers.${layer}`), x, tables, undefined, (name, value) =>
              tap(`llm/layer${layer}.${name}`, value),
            );
            tap(`llm/layer${layer}`, x);
          }
          return finish(g, model, x, tap);
        },
      );
    }

    let x = await this.#run(`${key} assemble`, '', parts, 'multimodal_embeddings', (g) =>
      assemble(g, () => undefined),
    );
    for (let layer = 0; layer < llama.layers; layer++) {
      const stage = `llm/layer${layer}`;
      const prefix = `language_model.model.layers.${layer}`;
      const next = await this.#on(`llama block ${length}`, prefix, x, rope, stage, (g, scope, input, tap) =>
        llamaBlock(g, llama, scope(''), input, ropeInputs(g), undefined, (name, value) =>
          tap(`${stage}.${name}`, value),
        ),
      );
      x.dispose();
      x = next;
    }
    const states = await this.#on(
      `llama norm ${length} ${span}`,
      'language_model.model',
      x,
      {},
      'actions_hidden_states',
      (g, scope, input, tap) => finish(g, scope(''), input, tap),
    );
    x.dispose();
    return states;
  }

  /** lm_head on [1, rows, hidden] → [1, rows, vocabulary]; the caller disposes it. */
  async logits(hidden: Tensor): Promise<Tensor> {
    return this.#run(`logits ${hidden.shape[1]}`, '', { hidden }, 'logits', (g, scope) =>
      scope('language_model').linear('lm_head', g.input('hidden', hidden.shape)),
    );
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
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
    return this.#trace ? vit.depth : usedBlocks(vit);
  }

  #features(g: GraphBuilder, vit: VitConfig, x: Value, tap: Tap): Value {
    const features = vitFeatures(g, vit, x);
    tap(`${stageOf(vit)}/features`, features);
    return features;
  }

  /** Concatenates the backbones' features and projects them; images follow each other in the sequence. */
  #join(g: GraphBuilder, scope: Scope, features: readonly Value[], tap: Tap): Value {
    const joined = g.concat(features, 2);
    const [images, patches, width] = joined.shape as [number, number, number];
    const sequence = g.reshape(joined, [1, images * patches, width]);
    tap('vision/backbone_out', sequence);
    return projector(g, this.config, scope, sequence);
  }

  #ropeFor(length: number): { cos: Tensor; sin: Tensor } {
    const known = this.#rope.get(length);
    if (known) return known;
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

  /** One block on `x`, which stays the caller's. */
  async #on(
    key: string,
    prefix: string,
    x: Tensor,
    feeds: Tensors,
    stage: string,
    build: (g: GraphBuilder, scope: (name: string) => Scope, x: Value, tap: Tap) => Value,
  ): Promise<Tensor> {
    return this.#run(key, prefix, { ...feeds, x }, stage, (g, scope, tap) =>
      build(g, scope, g.input('x', x.shape), tap),
    );
  }

  /**
   * Compiles (once per key) and runs one graph. `prefix` is where its weights lie: graphs shared by several blocks
   * name their weights relative to it.
   */
  async #run(
    key: string,
    prefix: string,
    feeds: Tensors,
    stage: string,
    build: (g: GraphBuilder, scope: (name: string) => Scope, tap: Tap) => Value,
  ): Promise<Tensor> {
    const root = prefix ? `${prefix}.` : '';
    const compileGraph = (): Graph => {
      const g = new GraphBuilder(key);
      // Taps are named relative to a shared graph's block, whose stage is put in front again after the run.
      const tap: Tap = (name, value) => {
        if (this.#trace) g.output(relative(name, stage), value);
      };
      const scope = (name: string) => {
        const label = name ? `${name}.` : '';
        return new Scope(g, this.#weights.table, root + label, label);
      };
      g.output('result', build(g, scope, tap));
      return g.build();
    };
    const program = await this.#programs.get(this.#trace ? `${key} traced` : key, compileGraph);
    const bound: Tensors = {};
    for (const { name } of program.graph.inputs)
      bound[name] = feeds[name] ?? this.#weights.tensor(root + name);
    const { result, ...taps } = await program.run(bound);
    for (const [name, tensor] of Object.entries(taps)) {
      await this.#trace?.(absolute(name, stage), tensor);
      tensor.dispose();
    }
    await this.#trace?.(stage, result!);
    return result!;
  }
}

const stageOf = (vit: VitConfig): string => vit.prefix.replace('vision_backbone.', 'vision/');
const relative = (name: string, stage: string) =>
  name.startsWith(`${stage}.`) ? name.slice(stage.length) : name;
const absolute = (name: string, stage: string) => (name.startsWith('.') ? stage + name : name);

function stageTap(tap: Tap, vit: VitConfig, block?: number): Tap {
  const prefix = block === undefined ? `${stageOf(vit)}/` : `${stageOf(vit)}/block${block}.`;
  return (name, value) => tap(prefix + name, value);
}

/** The three channels of backbone `i`: upstream stacks each image's normalisations in backbone order. */
function channelsOf(g: GraphBuilder, pixels: Value, i: number): Value {
  return g.slice(pixels, 1, 3 * i, 3 * i + 3);
}
