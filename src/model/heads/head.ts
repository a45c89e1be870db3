/** What an action head is: its weights, how it computes, what it learns by, and how actions come of it. One file a head. */
import type { Shape } from '../graph/types.ts';
import type { NetworkConfig } from '../network/config.ts';
import type { TokenPolicy } from '../network/language.ts';
import type { RowsOf } from '../network/language-segments.ts';
import type { Segment } from '../network/segment.ts';
import type { Random } from '../../base/random.ts';
import type { Runtime, Tensor, Tensors } from '../runtime/runtime.ts';
import type { BridgeConfig } from './bridge-segments.ts';

/** Of a policy's configuration, what a head follows from. */
export interface HeadConfig {
  readonly network: NetworkConfig;
  readonly profile: {
    readonly chunkSize: number;
    readonly actions: readonly unknown[];
    readonly state: readonly unknown[] | null;
  };
  /** Null unless the head is a bridge. */
  readonly bridge: BridgeConfig | null;
  /** DDIM steps; null unless the head is a diffusion head. */
  readonly diffusion: { readonly trainSteps: number; readonly inferenceSteps: number } | null;
  readonly tokens: TokenPolicy;
  readonly actionBins: number;
}

/** Where a head finds what it reads among the hidden states. */
export interface HeadPlace {
  /** The rows of the actions, one early, as upstream's. */
  readonly rows: RowsOf;
  /** Patches of all images of a sample. */
  readonly patches: number;
  /** Also what only a parity run asks for. */
  readonly traced?: boolean;
}

/** Numbers to be fed under a segment's name. */
export interface Given {
  readonly data: Float32Array;
  readonly shape: Shape;
  /** Upstream's name, for parity runs. */
  readonly stage?: string;
}

/** Where a head's draws come from. */
export interface Randomness {
  /** Of the i-th sample alone. */
  readonly sample: (i: number) => Random;
  /** Of the pass; null in a validation, in which nothing is disturbed. */
  readonly pass: Random | null;
}

/** What is drawn for a pass. */
export interface Draws {
  readonly noise: Float32Array;
  /** One per sample, of the diffusion head. */
  readonly timesteps: readonly number[];
}

/** L1 errors are of normalised actions; null where upstream computes none. */
export interface Measured {
  readonly currentL1: number | null;
  readonly nextL1: number | null;
  /** Shares of action tokens predicted right, of the current action and of the rest of the chunk. */
  readonly currentAccuracy: number | null;
  readonly nextAccuracy: number | null;
}

/** The samples of a training pass. */
export interface Targets {
  readonly size: number;
  /** Normalised actions [size · chunk · dim]. */
  readonly actions: Float32Array;
}

export interface DecodingOptions {
  /** Initial noise [chunk · dim] of the diffusion head; default: drawn from `seed`. */
  readonly noise?: Float32Array;
  /** Default 0. */
  readonly seed?: number;
  /** Fewer DDIM steps than the config says. */
  readonly diffusionSteps?: number;
  /** Replaces x_t of a DDIM step: parity runs compare step by step, as errors grow along the trajectory. */
  readonly sampleAt?: (step: number) => Float32Array;
}

/** One observation, ready for the language model. */
export interface Decoding {
  readonly config: HeadConfig;
  readonly runtime: Runtime;
  readonly options: DecodingOptions;
  /** Embeddings of the actions' places: zeros. Not for a head that generates. */
  readonly actions: Tensor;
  /**
   * The language model over the sequence, the head, and `after` it.
   * @param actions name of what stands at the actions' places: `actions`, or what a segment of the head makes
   * @returns the values `wanted`, which are the caller's to dispose
   */
  readonly run: (
    actions: string,
    after: readonly Segment[],
    feeds: Tensors,
    wanted: readonly string[],
  ) => Promise<Tensors>;
  /** Tokens one after the other; null ends the answer. */
  readonly generate: (count: number, choose: (logits: Float32Array) => number | null) => Promise<number[]>;
  /** Hears of stages by upstream's names, in parity runs. */
  readonly trace: ((stage: string, tensor: Tensor) => Promise<void>) | undefined;
}

export interface Head {
  /** Whether lm_head is read. */
  readonly lmHead: boolean;
  /** Actions come out one token after the other, each from the ones before. */
  readonly generates: boolean;
  /** Whether the state is a token of the sequence, or an input of the head itself. */
  readonly proprio: 'token' | 'head';
  /** Actions come of noise, in DDIM steps: a token `time` of the sequence says in which. */
  readonly denoises: boolean;
  /** What is added to the places of the actions: `features` that `embed` makes in training, the rows of the action queries always. */
  readonly placed: 'features' | 'queries' | null;
  /** Whether the sequences that upstream trains on end with the stop token. */
  readonly stopInTraining: boolean;
  /** Where its own weights lie; null where it has none. */
  readonly prefix: string | null;
  /** A name of theirs that no head after it in `HEADS` has. */
  readonly mark: RegExp | null;
  /** Multiple of LoRA's rank that upstream's alpha is by default; null for min(r, 16). */
  readonly loraAlpha: number | null;

  /** Its own weights, under upstream's names. */
  shapes(config: HeadConfig): Map<string, Shape>;
  /** What goes before the language model. */
  embed(config: HeadConfig): Segment[];
  /** From the hidden states to `predicted`. */
  forward(config: HeadConfig, place: HeadPlace): Segment[];
  /** From `predicted` or what else `forward` makes, and from what is given, to `loss` [1]. */
  loss(config: HeadConfig): Segment;
  /** Rows of hidden states that it is trained on. */
  trainedRows(config: HeadConfig): number;
  draw(config: HeadConfig, size: number, from: Randomness): Draws | null;
  /** What is fed in training, by name. */
  given(config: HeadConfig, targets: Targets, draws: Draws | null): Record<string, Given>;
  /** @param predicted `predicted` of a training pass */
  measure(config: HeadConfig, predicted: Float32Array, actions: Float32Array): Measured;
  /** Normalised actions [chunk · dim]. @throws ModelError for what the head cannot do without */
  decode(decoding: Decoding): Promise<ArrayLike<number>>;
}

/** Actions of a chunk as numbers. */
export const actionCount = ({ profile }: Pick<HeadConfig, 'profile'>): number =>
  profile.chunkSize * profile.actions.length;
