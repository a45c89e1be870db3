/** OpenVLA-OFT's predict_action: observation in, action chunk out. */
import { ModelError } from '../../base/errors.ts';
import type { DecodingOptions } from '../heads/head.ts';
import { headOf } from '../heads/index.ts';
import { prefixTokens, sequenceSegments } from '../heads/sequence-segments.ts';
import { layered, type Adapter, type WeightStore } from '../network/adapter.ts';
import { isBound, LoadedWeights, type WeightSource } from '../network/loaded-weights.ts';
import { Network, type Partition } from '../network/network.ts';
import { TokenEmbedding } from '../network/token-embedding.ts';
import { withMemoryCheck } from '../runtime/memory-check.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import type { PolicyConfig } from './config.ts';
import { rowsOf } from './rows.ts';
import { actionRows, actionTokens, layoutSequence, type Sequence } from './sequence.ts';
import { normalizeProprio, statisticsFor, unnormalizeActions } from './statistics.ts';
import { promptFor } from './prompt.ts';
import { TensorScope } from './tensor-scope.ts';
import type { Tokenize } from './tokenizer.ts';

/** Hears of intermediate values by upstream's names; data is valid after it returns. Used by parity runs. */
export type PolicyTrace = (stage: string, data: Float32Array, shape: readonly number[]) => void;

export interface PolicyOptions {
  readonly partition?: Partition;
  readonly trace?: PolicyTrace;
  /** Bytes uploaded so far. */
  readonly onProgress?: (loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What the network itself takes: everything before it is done. */
export interface PolicyInputs extends DecodingOptions {
  /** [images, 3 · backbones, H, W]; stays the caller's. */
  readonly pixels: Tensor;
  readonly promptIds: readonly number[];
  /** Normalised state, or null where the policy takes none. */
  readonly proprio: readonly number[] | null;
}

export interface StageTime {
  readonly name: string;
  readonly elapsedMs: number;
}

/** Measures consecutive stages; waits for the GPU at each border so that a stage's time is its own. */
export class StageClock {
  readonly stages: StageTime[] = [];
  readonly #device: GPUDevice | null;
  #last = performance.now();

  constructor(device: GPUDevice | null) {
    this.#device = device;
  }

  async mark(name: string): Promise<void> {
    await this.#device?.queue.onSubmittedWorkDone();
    const now = performance.now();
    this.stages.push({ name, elapsedMs: now - this.#last });
    this.#last = now;
  }
}

const EMBEDDING = 'language_model.model.embed_tokens.weight';

export class Policy {
  readonly config: PolicyConfig;
  readonly network: Network;
  readonly runtime: Runtime;
  readonly embedding: TokenEmbedding;
  readonly #weights: LoadedWeights;
  /** The weights, as seen through the adapter in use. */
  #layered: WeightStore;
  #adapter: Adapter | null = null;
  /** False for one that shares another's weights. */
  readonly #ownsWeights: boolean;
  readonly #trace: PolicyTrace | undefined;
  readonly #traceTensor: ((stage: string, tensor: Tensor) => Promise<void>) | undefined;

  private constructor(
    config: PolicyConfig,
    runtime: Runtime,
    parts: { network: Network; weights: LoadedWeights; embedding: TokenEmbedding; ownsWeights: boolean },
    trace: PolicyTrace | undefined,
  ) {
    this.config = config;
    this.runtime = runtime;
    this.network = parts.network;
    this.#weights = parts.weights;
    this.#layered = parts.weights;
    this.#ownsWeights = parts.ownsWeights;
    this.embedding = parts.embedding;
    this.#trace = trace;
    this.#traceTensor =
      trace && (async (stage, tensor) => trace(stage, await runtime.read(tensor), tensor.shape));
  }

  /** Reads and uploads every weight the policy runs with. On failure everything uploaded is freed again. */
  static async load(
    config: PolicyConfig,
    source: WeightSource,
    runtime: Runtime,
    options: PolicyOptions = {},
  ): Promise<Policy> {
    const needs = { lmHead: headOf(config).lmHead, lastBlock: options.trace !== undefined };
    const bound = source.names.filter((name) => isBound(name, config.network, needs));
    const total = bound.reduce((sum, name) => sum + source.byteLengthOf(name), 0);
    const weights = new LoadedWeights();
    const upload = async () => {
      let loaded = 0;
      for (const name of bound) {
        if (options.signal?.aborted) throw new ModelError('cancelled', 'Loading was cancelled.');
        weights.add(runtime, await source.load(name));
        loaded += source.byteLengthOf(name);
        options.onProgress?.(loaded, total);
      }
      // A head that is the embedding table has no tensor of its own.
      if (needs.lmHead && config.network.language.tiedEmbeddings)
        weights.add(runtime, { ...(await source.load(EMBEDDING)), name: 'language_model.lm_head.weight' });
    };
    try {
      await withMemoryCheck(runtime.device, upload);
      const embedding = new TokenEmbedding(await source.load(EMBEDDING));
      const { trace } = options;
      const network = networkOf(config, runtime, weights, options.partition, trace);
      return new Policy(config, runtime, { network, weights, embedding, ownsWeights: true }, trace);
    } catch (error) {
      weights.dispose();
      throw error;
    }
  }

  /**
   * Another policy over the same weights: of another robot, with another head. Nothing is loaded again, but for lm_head where it is needed first.
   * It is disposed of before this one, and leaves the weights.
   * @param source where the weights came from
   * @throws ModelError `unsupported` where the package lacks lm_head and action tokens are asked for
   */
  async withConfig(config: PolicyConfig, source: WeightSource): Promise<Policy> {
    const weights = this.#weights;
    if (headOf(config).lmHead && !headOf(this.config).lmHead && !source.names.includes(LM_HEAD)) {
      throw new ModelError(
        'unsupported',
        'The loaded policy has no lm_head, which predicts action tokens.',
        'Choose the L1 or the diffusion head.',
      );
    }
    const needs = { lmHead: headOf(config).lmHead, lastBlock: false };
    for (const name of source.names)
      if (isBound(name, config.network, needs) && !weights.has(name))
        weights.add(this.runtime, await source.load(name));
    const { runtime, embedding } = this;
    const network = networkOf(config, runtime, weights, this.network.partition, this.#trace);
    return new Policy(config, runtime, { network, weights, embedding, ownsWeights: false }, this.#trace);
  }

  /** Lays an adapter over the base from the next prediction on, or none; it stays the caller's. Nothing is reloaded. */
  use(adapter: Adapter | null): void {
    this.#adapter = adapter;
    this.#layered = layered(this.#weights, adapter);
    this.network.use(adapter);
  }

  /**
   * Frees those of the base's weights that a run hides by its own, which would lie beside them for nothing, until `bringBack`. Whatever predicts
   * meanwhile has to go through what hides them.
   */
  setAside(names: Iterable<string>): void {
    this.#weights.setAside(names);
  }

  /** Uploads what was set aside again, bit by bit as it was. @throws ModelError where it cannot be read; another call tries again */
  async bringBack(source: WeightSource): Promise<void> {
    await this.#weights.bringBack(this.runtime, source);
  }

  /** The same of what is bound now: nothing while a run hides it, and nothing where it is all there. */
  async bringBackBound(source: WeightSource): Promise<void> {
    await this.#weights.bringBack(this.runtime, source, (name) => this.#adapter?.table.has(name) ?? false);
  }

  /** The sequence for an instruction. */
  promptIds(instruction: string, tokenize: Tokenize): { prompt: string; ids: number[] } {
    const prompt = promptFor(instruction, this.config.network.language.kind);
    return { prompt, ids: tokenize(prompt) };
  }

  /** @param statistics by key; the policy's own, or those of the adapter in use */
  normalizeState(
    state: readonly number[] | null,
    unnormKey: string,
    statistics = this.config.statistics,
  ): number[] | null {
    if (!this.config.profile.state) return null;
    return normalizeProprio(state ?? [], statisticsFor(statistics, unnormKey), this.config.profile);
  }

  unnormalize(
    normalized: readonly (readonly number[])[],
    unnormKey: string,
    statistics = this.config.statistics,
  ): number[][] {
    return unnormalizeActions(
      normalized,
      statisticsFor(statistics, unnormKey),
      this.config.profile,
      headOf(this.config).generates ? 0 : undefined,
    );
  }

  /** Normalised actions [chunk][dim]. @throws ModelError `bad-input` without the state that the policy takes */
  async predict(inputs: PolicyInputs, clock: StageClock = new StageClock(null)): Promise<number[][]> {
    const { config, runtime, network } = this;
    const { profile } = config;
    if (profile.state && !inputs.proprio)
      throw new ModelError('bad-input', 'This policy needs the robot’s state.', 'Give it a state.');
    const head = headOf(config);
    const sequence = layoutSequence(inputs.promptIds, config);
    const length = prefixTokens(config) + sequence.inputIds.length;
    const scope = new TensorScope();
    try {
      const text = this.#embed(sequence, scope);
      const patches = scope.keep(await this.#vision(inputs.pixels, text.rows, sequence));
      await clock.mark('vision');
      const feeds: Tensors = { bos: text.bos, patches, prompt: text.prompt, stop: text.stop };
      if (profile.state)
        feeds['state'] = scope.keep(
          runtime.upload(Float32Array.from(inputs.proprio!), [1, profile.state.length]),
        );
      if (head.placed === 'queries') {
        const start = prefixTokens(config) + sequence.actions.start;
        const queries = actionTokens(config);
        const ones = placeOnes(length, queries, start);
        feeds['place'] = scope.keep(runtime.upload(ones, [1, length, queries]));
        await this.#traceQueries();
      }
      const actions = await head.decode({
        config,
        runtime,
        options: inputs,
        actions: text.actions,
        trace: this.#traceTensor,
        run: async (at, after, own, wanted) => {
          const segments = sequenceSegments(config, {
            rows: actionRows(sequence, prefixTokens(config)),
            patches: patches.shape[1]!,
            text: ['prompt', at, 'stop'],
            placed: false,
            padded: false,
            traced: network.traced,
          });
          return network.run([...segments, ...after], length, { ...feeds, ...own }, wanted);
        },
        generate: async (count, choose) => {
          const embed = (id: number) => this.embedding.rows([id]);
          return network.generate({ bos: text.bos, patches, text: text.prompt }, { count, choose, embed });
        },
      });
      await clock.mark('language model and head');
      return rowsOf(actions, profile.actions.length);
    } finally {
      scope.dispose();
    }
  }

  async dispose(): Promise<void> {
    await this.network.dispose();
    if (this.#ownsWeights) this.#weights.dispose();
  }

  /** Token embeddings with zeros at the action positions, whole and in the parts the language model takes. */
  #embed(sequence: Sequence, scope: TensorScope): EmbeddedText {
    const hidden = this.config.network.language.hidden;
    const { start, end } = sequence.actions;
    const rows = this.embedding.rows(sequence.inputIds);
    rows.fill(0, start * hidden, end * hidden);
    const part = (from: number, to: number) =>
      scope.keep(this.runtime.upload(rows.slice(from * hidden, to * hidden), [1, to - from, hidden]));
    return {
      rows,
      bos: part(0, 1),
      prompt: part(1, start),
      // Policies that generate their actions have neither.
      actions: part(start, end),
      stop: part(end, sequence.inputIds.length),
    };
  }

  async #vision(pixels: Tensor, text: Float32Array, sequence: Sequence): Promise<Tensor> {
    if (!this.config.network.vits.some((vit) => vit.film)) return this.network.vision(pixels);
    const { hidden } = this.config.network.language;
    const language = this.runtime.upload(languageMean(text, hidden, sequence.actions), [1, hidden]);
    try {
      await this.#traceTensor?.('film/average_language_embedding', language);
      return await this.network.vision(pixels, language);
    } finally {
      language.dispose();
    }
  }

  async #traceQueries(): Promise<void> {
    if (!this.#trace) return;
    const queries = this.#layered.tensor('action_queries.weight');
    this.#trace('action_queries', await this.runtime.read(queries), queries.shape);
  }
}

const LM_HEAD = 'language_model.lm_head.weight';

function networkOf(
  config: PolicyConfig,
  runtime: Runtime,
  weights: LoadedWeights,
  partition: Partition | undefined,
  trace: PolicyTrace | undefined,
): Network {
  return new Network(runtime, config.network, weights, weights.byteLength, {
    ...(partition ? { partition } : {}),
    ...(trace
      ? { trace: async (stage, tensor) => trace(stage, await runtime.read(tensor), tensor.shape) }
      : {}),
  });
}

/** Ones [length, rows] on a diagonal from row `start`. */
function placeOnes(length: number, rows: number, start: number): Float32Array {
  const place = new Float32Array(length * rows);
  for (let row = 0; row < rows; row++) place[(start + row) * rows + row] = 1;
  return place;
}

/**
 * Mean embedding of every non-action token, BOS, stop token and padding included (film_vit_wrapper.py).
 * @param text embeddings [tokens · hidden]
 */
export function languageMean(
  text: Float32Array,
  hidden: number,
  actions: { readonly start: number; readonly end: number },
): Float32Array {
  const sum = new Float64Array(hidden);
  const tokens = text.length / hidden;
  for (let row = 0; row < tokens; row++) {
    if (row >= actions.start && row < actions.end) continue;
    for (let i = 0; i < hidden; i++) sum[i]! += text[row * hidden + i]!;
  }
  return Float32Array.from(sum, (value) => value / (tokens - (actions.end - actions.start)));
}

interface EmbeddedText {
  /** All rows [tokens · hidden], on the CPU. */
  readonly rows: Float32Array;
  readonly bos: Tensor;
  readonly prompt: Tensor;
  /** Zeros. */
  readonly actions: Tensor;
  readonly stop: Tensor;
}
