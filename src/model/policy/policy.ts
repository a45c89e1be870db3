/** OpenVLA-OFT's predict_action: observation in, action chunk out. */
import { ModelError } from '../errors.ts';
import { isBound, LoadedWeights, type WeightSource } from '../network/loaded-weights.ts';
import { loadModules, type Modules } from '../network/modules.ts';
import { Network, type Partition } from '../network/network.ts';
import { TokenEmbedding } from '../network/token-embedding.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import { decodeActionTokens } from './action-tokenizer.ts';
import type { PolicyConfig } from './config.ts';
import { denoise } from './diffusion.ts';
import { actionRows, layoutSequence, type Sequence } from './sequence.ts';
import { normalizeProprio, statisticsFor, unnormalizeActions } from './statistics.ts';
import { promptFor } from './prompt.ts';
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

export class Policy {
  readonly config: PolicyConfig;
  readonly network: Network;
  readonly runtime: Runtime;
  readonly #weights: LoadedWeights;
  readonly #modules: Modules;
  readonly #embedding: TokenEmbedding;
  readonly #trace: PolicyTrace | undefined;

  private constructor(
    config: PolicyConfig,
    runtime: Runtime,
    parts: { network: Network; weights: LoadedWeights; modules: Modules; embedding: TokenEmbedding },
    trace: PolicyTrace | undefined,
  ) {
    this.config = config;
    this.runtime = runtime;
    this.network = parts.network;
    this.#weights = parts.weights;
    this.#modules = parts.modules;
    this.#embedding = parts.embedding;
    this.#trace = trace;
  }

  /** Reads and uploads every weight the policy runs with. On failure everything uploaded is freed again. */
  static async load(
    config: PolicyConfig,
    source: WeightSource,
    runtime: Runtime,
    options: PolicyOptions = {},
  ): Promise<Policy> {
    const needs = { lmHead: config.head === 'discrete', lastBlock: options.trace !== undefined };
    const bound = source.names.filter((name) => isBound(name, config.network, needs));
    const total = bound.reduce((sum, name) => sum + source.byteLengthOf(name), 0);
    const weights = new LoadedWeights();
    try {
      let loaded = 0;
      for (const name of bound) {
        if (options.signal?.aborted) throw new ModelError('cancelled', 'Loading was cancelled.');
        weights.add(runtime, await source.load(name));
        loaded += source.byteLengthOf(name);
        options.onProgress?.(loaded, total);
      }
      const embedding = new TokenEmbedding(await source.load('language_model.model.embed_tokens.weight'));
      const modules = await loadModules(source, runtime);
      const { trace } = options;
      const network = new Network(runtime, config.network, weights, {
        ...(options.partition ? { partition: options.partition } : {}),
        ...(trace
          ? { trace: async (stage, tensor) => trace(stage, await runtime.read(tensor), tensor.shape) }
          : {}),
      });
      return new Policy(config, runtime, { network, weights, modules, embedding }, trace);
    } catch (error) {
      weights.dispose();
      throw error;
    }
  }

  /** The sequence for an instruction. */
  promptIds(instruction: string, tokenize: Tokenize): { prompt: string; ids: number[] } {
    const prompt = promptFor(instruction);
    return { prompt, ids: tokenize(prompt) };
  }

  normalizeState(state: readonly number[] | null, unnormKey: string): number[] | null {
    if (!this.config.profile.state) return null;
    return normalizeProprio(state ?? [], statisticsFor(this.config, unnormKey), this.config.profile);
  }

  unnormalize(normalized: readonly (readonly number[])[], unnormKey: string): number[][] {
    return unnormalizeActions(normalized, statisticsFor(this.config, unnormKey), this.config.profile);
  }

  /** Normalised actions [chunk][dim]. */
  async predict(inputs: PolicyInputs, clock: StageClock = new StageClock(null)): Promise<number[][]> {
    const { config } = this;
    const hidden = config.network.llama.hidden;
    const sequence = layoutSequence(inputs.promptIds, config);
    const text = this.#embedding.rows(sequence.inputIds);
    text.fill(0, sequence.actions.start * hidden, sequence.actions.end * hidden);

    const own: Tensor[] = [];
    const keep = (tensor: Tensor): Tensor => {
      own.push(tensor);
      return tensor;
    };
    try {
      const patches = keep(await this.#vision(inputs.pixels, text, sequence));
      await clock.mark('vision');
      const extra =
        inputs.proprio && this.#modules.proprio ? [keep(await this.#proprioToken(inputs.proprio))] : [];
      const bos = keep(this.runtime.upload(text.slice(0, hidden), [1, 1, hidden]));
      const prefix = { bos, patches, extra };
      if (config.head === 'l1') return await this.#predictL1(prefix, text, sequence, clock);
      if (config.head === 'discrete') return await this.#predictDiscrete(prefix, text, sequence, clock);
      return await this.#predictDiffusion(prefix, text, sequence, inputs, clock);
    } finally {
      for (const tensor of own) tensor.dispose();
    }
  }

  async dispose(): Promise<void> {
    await this.network.dispose();
    this.#modules.dispose();
    this.#weights.dispose();
  }

  async #vision(pixels: Tensor, text: Float32Array, sequence: Sequence): Promise<Tensor> {
    if (!this.config.network.vits.some((vit) => vit.film)) return this.network.vision(pixels);
    const hidden = this.config.network.llama.hidden;
    const mean = this.#languageMean(text, sequence);
    this.#trace?.('film/average_language_embedding', mean, [1, hidden]);
    const language = this.runtime.upload(mean, [1, hidden]);
    try {
      return await this.network.vision(pixels, language);
    } finally {
      language.dispose();
    }
  }

  /** Mean embedding of every non-action token, BOS and stop token included. */
  #languageMean(text: Float32Array, sequence: Sequence): Float32Array {
    const hidden = this.config.network.llama.hidden;
    const { start, end } = sequence.actions;
    const sum = new Float64Array(hidden);
    sequence.inputIds.forEach((_, row) => {
      if (row >= start && row < end) return;
      for (let i = 0; i < hidden; i++) sum[i]! += text[row * hidden + i]!;
    });
    const count = sequence.inputIds.length - (end - start);
    return Float32Array.from(sum, (v) => v / count);
  }

  async #proprioToken(proprio: readonly number[]): Promise<Tensor> {
    const token = await this.#modules.proprio!(Float32Array.from(proprio));
    const hidden = this.config.network.llama.hidden;
    this.#trace?.('proprio_token', token, [1, hidden]);
    return this.runtime.upload(token, [1, 1, hidden]);
  }

  /** Runs the language model; gives the hidden states of the action rows [1, chunk · dim, hidden]. */
  async #language(
    prefix: { bos: Tensor; patches: Tensor; extra: readonly Tensor[] },
    text: Float32Array,
    sequence: Sequence,
  ): Promise<Tensor> {
    const hidden = this.config.network.llama.hidden;
    this.#trace?.('input_embeddings', text.slice(), [1, sequence.inputIds.length, hidden]);
    const rest = this.runtime.upload(text.slice(hidden), [1, sequence.inputIds.length - 1, hidden]);
    try {
      const patchTokens = prefix.patches.shape[1]! + prefix.extra.length;
      return await this.network.language({ ...prefix, text: rest }, actionRows(sequence, patchTokens));
    } finally {
      rest.dispose();
    }
  }

  /** [1, chunk · dim, hidden] → [chunk · dim]. */
  async #head(states: Tensor): Promise<Float32Array> {
    const { chunkSize, actions } = this.config.profile;
    const out = await this.#modules.head!(states, chunkSize);
    this.#trace?.('action_head/out', out, [1, chunkSize, actions.length]);
    return out;
  }

  async #predictL1(
    prefix: Prefix,
    text: Float32Array,
    sequence: Sequence,
    clock: StageClock,
  ): Promise<number[][]> {
    const states = await this.#language(prefix, text, sequence);
    await clock.mark('language model');
    try {
      const actions = await this.#head(states);
      await clock.mark('action head');
      return rowsOf(actions, this.config.profile.actions.length);
    } finally {
      states.dispose();
    }
  }

  async #predictDiscrete(
    prefix: Prefix,
    text: Float32Array,
    sequence: Sequence,
    clock: StageClock,
  ): Promise<number[][]> {
    const { tokens, actionBins, network, profile } = this.config;
    const states = await this.#language(prefix, text, sequence);
    await clock.mark('language model');
    const logits = await this.network.logits(states);
    states.dispose();
    const values = await this.runtime.read(logits);
    logits.dispose();
    const ids = argmaxRows(values, network.llama.vocabulary);
    this.#trace?.('predicted_token_ids', Float32Array.from(ids), [1, ids.length]);
    await clock.mark('action tokens');
    return rowsOf(decodeActionTokens(ids, tokens.vocabulary, actionBins), profile.actions.length);
  }

  async #predictDiffusion(
    prefix: Prefix,
    text: Float32Array,
    sequence: Sequence,
    inputs: PolicyInputs,
    clock: StageClock,
  ): Promise<number[][]> {
    const { diffusion, profile, network } = this.config;
    const hidden = network.llama.hidden;
    const size = profile.chunkSize * profile.actions.length;
    if (!diffusion) throw new ModelError('bad-package', 'A diffusion head without its number of steps.');
    if (inputs.noise?.length !== size) {
      throw new ModelError(
        'bad-input',
        `The initial noise has ${inputs.noise?.length ?? 0} values, expected ${size}.`,
      );
    }
    const predictNoise = async (sample: Float32Array, timeEmbedding: Float32Array, step: number) => {
      const features = await this.#modules.noisyActions!(sample);
      if (step === 0) this.#trace?.('noisy_action_features', features, [1, size, hidden]);
      text.set(features, sequence.actions.start * hidden);
      const time = this.runtime.upload(timeEmbedding, [1, 1, hidden]);
      const states = await this.#language({ ...prefix, extra: [...prefix.extra, time] }, text, sequence);
      time.dispose();
      try {
        return await this.#head(states);
      } finally {
        states.dispose();
      }
    };
    const actions = await denoise({
      noise: inputs.noise,
      hidden,
      trainSteps: diffusion.trainSteps,
      inferenceSteps: inputs.diffusionSteps ?? diffusion.inferenceSteps,
      predictNoise,
      ...(inputs.sampleAt ? { sampleAt: inputs.sampleAt } : {}),
      ...(this.#trace ? { trace: this.#trace } : {}),
    });
    await clock.mark('diffusion');
    return rowsOf(actions, profile.actions.length);
  }
}

interface Prefix {
  readonly bos: Tensor;
  readonly patches: Tensor;
  readonly extra: readonly Tensor[];
}

function rowsOf(flat: ArrayLike<number>, width: number): number[][] {
  return Array.from({ length: flat.length / width }, (_, row) =>
    Array.from({ length: width }, (__, i) => flat[row * width + i]!),
  );
}

function argmaxRows(values: Float32Array, width: number): number[] {
  return Array.from({ length: values.length / width }, (_, row) => {
    let best = 0;
    for (let i = 1; i < width; i++) if (values[row * width + i]! > values[row * width + best]!) best = i;
    return best;
  });
}
