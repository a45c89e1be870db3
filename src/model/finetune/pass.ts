/** One forward and backward pass over a micro-batch: finetune.py's run_forward_pass, and back. */
import { timeEmbedding } from '../kernels/time-embedding.ts';
import { ddimSchedule } from '../kernels/ddim-schedule.ts';
import { bridgeSegments } from '../network/bridge-head.ts';
import type { Tape } from '../network/tape.ts';
import { argmaxRows, decodeActionTokens, encodeActionTokens } from '../policy/action-tokenizer.ts';
import { needsLmHead } from '../policy/config.ts';
import { jointForward } from '../policy/joint-graph.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tensor, Tensors } from '../runtime/runtime.ts';
import { addNoise, crossEntropyLoss, regressionLoss, type Loss } from './losses.ts';
import { joined, microBatch, type MicroBatch, type Sample } from './micro-batch.ts';

/** What the diffusion head trains on: one noise and one timestep per sample. */
export interface DiffusionDraw {
  /** Standard normal [chunk · dim]. */
  readonly noise: Float32Array;
  readonly timestep: number;
}

/** finetune.py's metrics. L1 errors are of normalised actions; null where upstream computes none (diffusion). */
export interface Metrics {
  readonly loss: number;
  readonly currentL1: number | null;
  readonly nextL1: number | null;
  /** Shares of action tokens predicted right, of the current action and of the rest of the chunk; discrete head only. */
  readonly currentAccuracy: number | null;
  readonly nextAccuracy: number | null;
}

export interface PassOptions {
  /** Multiplies the loss before the way back: 1 / number of micro-batches in a step. */
  readonly factor?: number;
  /** One per sample, for the diffusion head. */
  readonly diffusion?: readonly DiffusionDraw[];
  /** Noise [chunk · dim · hidden] that VLA-Adapter's head starts from, the same for all samples; default zeros. */
  readonly perturbation?: Float32Array;
  /** Pads the text to this many tokens. */
  readonly tokens?: number;
  /** Gradients go to its sink. Without a tape only the metrics are computed. */
  readonly tape?: Tape;
  /** Hears of stages by upstream's names; used by parity runs. */
  readonly trace?: (stage: string, tensor: Tensor) => Promise<void>;
}

/** @throws ModelError where a sample does not fit, or running fails */
export async function runPass(
  policy: Policy,
  samples: readonly Sample[],
  options: PassOptions = {},
): Promise<Metrics> {
  const batch = microBatch(policy, samples, options.tokens);
  const pass = new Pass(policy, batch, options);
  try {
    return await pass.run();
  } finally {
    pass.dispose();
    batch.dispose();
  }
}

class Pass {
  readonly #policy: Policy;
  readonly #batch: MicroBatch;
  readonly #options: PassOptions;
  readonly #own: Tensor[] = [];

  constructor(policy: Policy, batch: MicroBatch, options: PassOptions) {
    this.#policy = policy;
    this.#batch = batch;
    this.#options = options;
  }

  async run(): Promise<Metrics> {
    const { config } = this.#policy;
    if (needsLmHead(config)) return this.#discrete();
    if (config.head === 'bridge') return this.#bridge();
    return config.head === 'l1' ? this.#l1() : this.#diffusion();
  }

  dispose(): void {
    for (const tensor of this.#own) tensor.dispose();
    this.#options.tape?.dispose();
  }

  async #l1(): Promise<Metrics> {
    const { policy, batch } = { policy: this.#policy, batch: this.#batch };
    const { tape, trace } = this.#options;
    // On a GPU the head's own kernels are used.
    const joint = policy.network.partition === 'whole' && policy.runtime.device === null;
    if (tape && !trace && joint) return this.#l1AtOnce(tape);
    const states = await this.#states(null);
    const predicted = await this.#head(states);
    const loss = await regressionLoss(policy.runtime, 'l1', predicted, batch.actions, this.#factor);
    const values = await policy.runtime.read(predicted);
    return { ...(await this.#finish(predicted, loss)), ...this.#errors(values, batch.actions) };
  }

  /** The same as one graph: a third less work than the tape, which computes the forward pass again on the way back. */
  async #l1AtOnce(tape: Tape): Promise<Metrics> {
    const { config, network, runtime } = this.#policy;
    const { size, pixels, proprio, language, bos, text, mask, select, actions } = this.#batch;
    const { chunkSize, actions: dims } = config.profile;
    const target = this.#keep(runtime.upload(actions, [size, chunkSize, dims.length]));
    const optional = { proprio, language, mask };
    const feeds: Tensors = { pixels, bos, text, select, actions: target };
    for (const [name, tensor] of Object.entries(optional)) if (tensor) feeds[name] = tensor;
    const tokens = 1 + text.shape[1]!;
    const length = select.shape[2]!;
    const { loss, predicted } = await network.differentiate(
      `l1 ${size} ${tokens}${mask ? ' masked' : ''}`,
      length,
      feeds,
      this.#factor,
      tape,
      (g, scope) => {
        const forward = jointForward(g, config, scope, { batch: size, tokens, masked: mask !== null });
        return { loss: forward.l1, predicted: forward.predicted };
      },
    );
    const values = await runtime.read(this.#keep(predicted));
    const [value] = await runtime.read(this.#keep(loss));
    return { loss: value!, currentAccuracy: null, nextAccuracy: null, ...this.#errors(values, actions) };
  }

  /** VLA-Adapter: language model and head run as one list of segments. */
  async #bridge(): Promise<Metrics> {
    const { config, network, modules, runtime } = this.#policy;
    const { tape, trace, perturbation } = this.#options;
    const { size, pixels, proprio, bos, text, select, place, actions } = this.#batch;
    const { chunkSize, actions: dims } = config.profile;
    const width = dims.length * config.network.language.hidden;
    const patches = this.#keep(await network.vision(pixels, { samples: size, tape }));
    await trace?.('projector_out', patches);
    const token = this.#keep((await modules.proprio(proprio!, tape))!);
    await trace?.('proprio_token', token);
    const noise = perturbation ?? new Float32Array(chunkSize * width);
    const repeated = joined(Array.from({ length: size }, () => noise));
    const input = this.#keep(runtime.upload(repeated, [size, chunkSize, width]));
    await trace?.('action_head/in', input);
    const segments = bridgeSegments(config.network, {
      bridge: config.bridge!,
      patches: patches.shape[1]!,
      rows: 'select',
    });
    const { predicted } = await network.decode(
      { bos, patches, extra: [], text: [text], placed: { place: place! } },
      segments,
      { head_input: input, proprio: token, select },
      ['predicted'],
      tape,
    );
    this.#keep(predicted!);
    await trace?.('action_head/out', predicted!);
    const loss = await regressionLoss(runtime, 'l1', predicted!, actions, this.#factor);
    const values = await runtime.read(predicted!);
    return { ...(await this.#finish(predicted!, loss)), ...this.#errors(values, actions) };
  }

  async #diffusion(): Promise<Metrics> {
    const { config, runtime } = this.#policy;
    const { chunkSize, actions } = config.profile;
    const { hidden } = config.network.language;
    const draws = this.#options.diffusion!;
    const trainSteps = config.diffusion!.trainSteps;
    const schedule = ddimSchedule(trainSteps, trainSteps);
    const noise = joined(draws.map((draw) => draw.noise));
    const timesteps = draws.map(({ timestep }) => timestep);
    const noisy = this.#keep(
      await addNoise(runtime, schedule, this.#batch.actions, noise, timesteps, [chunkSize, actions.length]),
    );
    await this.#options.trace?.('noisy_actions', noisy);
    const time = this.#keep(
      runtime.upload(joined(timesteps.map((step) => timeEmbedding(step, hidden))), [draws.length, 1, hidden]),
    );
    await this.#options.trace?.('diffusion_timestep_embeddings', time);
    const features = this.#keep(await this.#policy.modules.noisyActions(noisy, this.#options.tape));
    await this.#options.trace?.('noisy_action_features', features);
    const states = await this.#states({ features, time });
    const predicted = await this.#head(states);
    const loss = await regressionLoss(runtime, 'mse', predicted, noise, this.#factor);
    return { ...(await this.#finish(predicted, loss)), currentL1: null, nextL1: null };
  }

  async #discrete(): Promise<Metrics> {
    const { config, network, runtime } = this.#policy;
    const { tokens, actionBins, profile } = config;
    const { vocabulary } = config.network.language;
    const count = profile.chunkSize * profile.actions.length;
    const ids = encodeActionTokens(this.#batch.actions, tokens.vocabulary, actionBins);
    const targets = Array.from({ length: this.#batch.size }, (_, b) => [
      ...ids.slice(b * count, (b + 1) * count),
      tokens.stop,
    ]).flat();
    const states = await this.#states(null);
    const logits = this.#keep(await network.logits(states, this.#options.tape));
    await this.#options.trace?.('logits', logits);
    const loss = await crossEntropyLoss(runtime, logits, targets, this.#factor);
    const best = argmaxRows(runtime.view(logits) ?? (await runtime.read(logits)), vocabulary);
    const actionRows = best.filter((_, row) => row % (count + 1) < count);
    const decode = (of: readonly number[]) => decodeActionTokens(of, tokens.vocabulary, actionBins);
    return {
      ...(await this.#finish(logits, loss)),
      ...this.#errors(decode(actionRows), decode(ids)),
      ...this.#accuracies(actionRows, ids),
    };
  }

  /** Hidden states of the action positions [B, rows, hidden]. */
  async #states(diffusion: { features: Tensor; time: Tensor } | null): Promise<Tensor> {
    const { network, modules } = this.#policy;
    const { tape, trace } = this.#options;
    const { pixels, language, size, proprio, bos, text, mask, select, place } = this.#batch;
    const patches = this.#keep(
      await network.vision(pixels, { language: language ?? undefined, samples: size, tape }),
    );
    await trace?.('projector_out', patches);
    const token = proprio && (await modules.proprio(proprio, tape));
    if (token) {
      this.#keep(token);
      await trace?.('proprio_token', token);
    }
    const extra = [...(token ? [token] : []), ...(diffusion ? [diffusion.time] : [])];
    const placed = diffusion && place ? { features: diffusion.features, place } : undefined;
    const inputs = { bos, patches, extra, text: [text], placed, mask: mask ?? undefined };
    const states = this.#keep(await network.language(inputs, { select }, tape));
    await trace?.('actions_hidden_states', states);
    return states;
  }

  async #head(states: Tensor): Promise<Tensor> {
    const { modules, config } = this.#policy;
    const predicted = this.#keep(await modules.head(states, config.profile.chunkSize, this.#options.tape));
    await this.#options.trace?.('action_head/out', predicted);
    return predicted;
  }

  async #finish(
    output: Tensor,
    loss: Loss,
  ): Promise<{ loss: number; currentAccuracy: null; nextAccuracy: null }> {
    if (this.#options.tape) await this.#options.tape.backward(output, loss.gradient);
    else loss.gradient.dispose();
    return { loss: (await loss.value()) / this.#factor, currentAccuracy: null, nextAccuracy: null };
  }

  #errors(
    predicted: ArrayLike<number>,
    target: ArrayLike<number>,
  ): { currentL1: number; nextL1: number | null } {
    const [currentL1, nextL1] = this.#means(target.length, (i) => Math.abs(predicted[i]! - target[i]!));
    return { currentL1: currentL1!, nextL1 };
  }

  #accuracies(
    predicted: readonly number[],
    target: readonly number[],
  ): { currentAccuracy: number; nextAccuracy: number | null } {
    const [current, nextAccuracy] = this.#means(target.length, (i) => (predicted[i] === target[i] ? 1 : 0));
    return { currentAccuracy: current!, nextAccuracy };
  }

  /** Means over [B, chunk, dim]: of the current action, and of the rest of the chunk. */
  #means(count: number, value: (i: number) => number): [number | null, number | null] {
    const { chunkSize, actions } = this.#policy.config.profile;
    const sums = [0, 0];
    const counts = [0, 0];
    for (let i = 0; i < count; i++) {
      const next = Math.floor(i / actions.length) % chunkSize === 0 ? 0 : 1;
      sums[next]! += value(i);
      counts[next]! += 1;
    }
    const mean = (part: 0 | 1) => (counts[part]! > 0 ? sums[part]! / counts[part]! : null);
    return [mean(0), mean(1)];
  }

  get #factor(): number {
    return this.#options.factor ?? 1;
  }

  #keep(tensor: Tensor): Tensor {
    this.#own.push(tensor);
    return tensor;
  }
}
