/** OpenVLA-OFT's predict_action: observation in, action chunk out. */
import { ModelError } from '../errors.ts';
import { layered, type Adapter, type WeightStore } from '../network/adapter.ts';
import { isBound, LoadedWeights, type WeightSource } from '../network/loaded-weights.ts';
import { Modules } from '../network/modules.ts';
import { Network, type Partition } from '../network/network.ts';
import { TokenEmbedding } from '../network/token-embedding.ts';
import { withMemoryCheck } from '../runtime/memory-check.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { argmaxRows, decodeActionTokens } from './action-tokenizer.ts';
import { needsLmHead, type PolicyConfig } from './config.ts';
import { denoise } from './diffusion.ts';
import { generateActions } from './generate-actions.ts';
import { predictBridge } from './predict-bridge.ts';
import { rowsOf } from './rows.ts';
import { actionRows, layoutSequence, type Sequence } from './sequence.ts';
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
export interface PolicyInputs {
  /** [images, 3 · backbones, H, W]; stays the caller's. */
  readonly pixels: Tensor;
  readonly promptIds: readonly number[];
  /** Normalised state, or null where the policy takes none. */
  readonly proprio: readonly number[] | null;
  /** Initial noise [chunk · dim] of the diffusion head. */
  readonly noise?: Float32Array;
  /** Fewer DDIM steps than the config says. */
  readonly diffusionSteps?: number;
  /** Replaces x_t of a DDIM step: parity runs compare step by step, as errors grow along the trajectory. */
  readonly sampleAt?: (step: number) => Float32Array;
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
  #modules: Modules;
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
    this.#modules = new Modules(runtime, modulesOf(config, parts.weights.names), parts.weights);
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
    const needs = { lmHead: needsLmHead(config), lastBlock: options.trace !== undefined };
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
    if (config.head === 'discrete' && !source.names.includes(LM_HEAD)) {
      throw new ModelError(
        'unsupported',
        'The loaded policy has no lm_head, which predicts action tokens.',
        'Choose the L1 or the diffusion head.',
      );
    }
    const needs = { lmHead: needsLmHead(config), lastBlock: false };
    for (const name of source.names)
      if (isBound(name, config.network, needs) && !weights.has(name))
        weights.add(this.runtime, await source.load(name));
    const { runtime, embedding } = this;
    const network = networkOf(config, runtime, weights, this.network.partition, this.#trace);
    return new Policy(config, runtime, { network, weights, embedding, ownsWeights: false }, this.#trace);
  }

  /** Lays an adapter over the base from the next prediction on, or none; it stays the caller's. Nothing is reloaded. */
  use(adapter: Adapter | null): void {
    const names = new Set([...this.#weights.names, ...(adapter?.names ?? [])]);
    this.#layered = layered(this.#weights, adapter);
    this.#modules = new Modules(this.runtime, modulesOf(this.config, [...names]), this.#layered);
    this.network.use(adapter);
  }

  get modules(): Modules {
    return this.#modules;
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
      this.config.head === 'autoregressive' ? 0 : undefined,
    );
  }

  /** Normalised actions [chunk][dim]. */
  async predict(inputs: PolicyInputs, clock: StageClock = new StageClock(null)): Promise<number[][]> {
    const { config } = this;
    const sequence = layoutSequence(inputs.promptIds, config);
    const scope = new TensorScope();
    try {
      const text = this.#embed(sequence, scope);
      const patches = scope.keep(await this.#vision(inputs.pixels, text.rows, sequence));
      await clock.mark('vision');
      const extra: Tensor[] = [];
      if (inputs.proprio) {
        const state = scope.keep(
          this.runtime.upload(Float32Array.from(inputs.proprio), [1, inputs.proprio.length]),
        );
        const token = await this.modules.proprio(state);
        if (token) {
          extra.push(scope.keep(token));
          await this.#traceTensor?.('proprio_token', token);
        }
      }
      const language = async (actions: Tensor, time?: Tensor): Promise<Tensor> => {
        const tokens = time ? [...extra, time] : extra;
        await this.#traceEmbeddings(text, actions);
        const rows = actionRows(sequence, patches.shape[1]! + tokens.length);
        const parts = { bos: text.bos, patches, extra: tokens, text: [text.prompt, actions, text.stop] };
        return this.network.language(parts, rows);
      };
      if (config.head === 'autoregressive') {
        this.#trace?.('input_embeddings', text.rows, [1, sequence.inputIds.length, text.bos.shape[2]!]);
        const ids = await generateActions(this, [text.bos, patches, text.prompt]);
        this.#trace?.('predicted_token_ids', Float32Array.from(ids), [1, ids.length]);
        await clock.mark('action tokens');
        const { tokens, actionBins } = config;
        return [decodeActionTokens(ids, tokens.vocabulary, actionBins)];
      }
      if (config.head === 'bridge') {
        await this.#traceQueries(text);
        const parts = { bos: text.bos, patches, text: [text.prompt, text.actions, text.stop] };
        const actions = await predictBridge(this, sequence, parts, extra[0]);
        await clock.mark('language model and head');
        return actions;
      }
      if (config.head === 'l1') return await this.#predictL1(() => language(text.actions), clock);
      if (config.head === 'discrete') return await this.#predictDiscrete(() => language(text.actions), clock);
      return await this.#predictDiffusion(language, inputs, clock);
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
      return await this.network.vision(pixels, { language });
    } finally {
      language.dispose();
    }
  }

  async #predictL1(language: () => Promise<Tensor>, clock: StageClock): Promise<number[][]> {
    const scope = new TensorScope();
    try {
      const states = scope.keep(await language());
      await clock.mark('language model');
      const out = scope.keep(await this.modules.head(states, this.config.profile.chunkSize));
      await this.#traceTensor?.('action_head/out', out);
      const actions = await this.runtime.read(out);
      await clock.mark('action head');
      return rowsOf(actions, this.config.profile.actions.length);
    } finally {
      scope.dispose();
    }
  }

  async #predictDiscrete(language: () => Promise<Tensor>, clock: StageClock): Promise<number[][]> {
    const { tokens, actionBins, network, profile } = this.config;
    const scope = new TensorScope();
    try {
      const states = scope.keep(await language());
      await clock.mark('language model');
      const logits = scope.keep(await this.network.logits(states));
      const ids = argmaxRows(await this.runtime.read(logits), network.language.vocabulary);
      this.#trace?.('predicted_token_ids', Float32Array.from(ids), [1, ids.length]);
      await clock.mark('action tokens');
      return rowsOf(decodeActionTokens(ids, tokens.vocabulary, actionBins), profile.actions.length);
    } finally {
      scope.dispose();
    }
  }

  async #predictDiffusion(
    language: (actions: Tensor, time: Tensor) => Promise<Tensor>,
    inputs: PolicyInputs,
    clock: StageClock,
  ): Promise<number[][]> {
    const { diffusion, profile, network } = this.config;
    const size = profile.chunkSize * profile.actions.length;
    if (!diffusion) throw new ModelError('bad-package', 'A diffusion head without its number of steps.');
    if (inputs.noise?.length !== size) {
      throw new ModelError(
        'bad-input',
        `The initial noise has ${inputs.noise?.length ?? 0} values, expected ${size}.`,
      );
    }
    const actions = await denoise({
      runtime: this.runtime,
      modules: this.modules,
      noise: inputs.noise,
      shape: [1, profile.chunkSize, profile.actions.length],
      hidden: network.language.hidden,
      trainSteps: diffusion.trainSteps,
      inferenceSteps: inputs.diffusionSteps ?? diffusion.inferenceSteps,
      language,
      ...(inputs.sampleAt ? { sampleAt: inputs.sampleAt } : {}),
      ...(this.#traceTensor ? { trace: this.#traceTensor } : {}),
    });
    try {
      const values = await this.runtime.read(actions);
      await clock.mark('diffusion');
      return rowsOf(values, profile.actions.length);
    } finally {
      actions.dispose();
    }
  }

  /** `input_embeddings` with the queries where they go. */
  async #traceQueries(text: EmbeddedText): Promise<void> {
    if (!this.#trace) return;
    const rows = await this.actionQueries();
    const { hidden } = this.config.network.language;
    this.#trace('action_queries', rows, [rows.length / hidden, hidden]);
    const queries = this.runtime.upload(rows, [1, rows.length / hidden, hidden]);
    await this.#traceEmbeddings(text, queries);
    queries.dispose();
  }

  /** The action queries [queries, hidden], of the adapter in use or the policy's own. */
  async actionQueries(): Promise<Float32Array> {
    return this.runtime.read(this.#layered.tensor('action_queries.weight'));
  }

  /** input_embeddings as upstream has them: the text rows with what stands at the action positions. */
  async #traceEmbeddings(text: EmbeddedText, actions: Tensor): Promise<void> {
    if (!this.#trace) return;
    const hidden = this.config.network.language.hidden;
    const rows = text.rows.slice();
    rows.set(await this.runtime.read(actions), (1 + text.prompt.shape[1]!) * hidden);
    this.#trace('input_embeddings', rows, [1, rows.length / hidden, hidden]);
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

/** Without the modules of another head, or of a state that is not taken: the base has its own, whatever lies over it. */
function modulesOf({ head, profile }: PolicyConfig, names: readonly string[]): string[] {
  return names.filter((name) => {
    if (name.startsWith('action_head.model.')) return head !== 'diffusion' && head !== 'discrete';
    if (/^(action_head\.noise_predictor|noisy_action_projector)\./.test(name)) return head === 'diffusion';
    return profile.state !== null || !name.startsWith('proprio_projector.');
  });
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
