/** Demonstrations → training samples: chunks of actions, normalised; images resized, augmented, normalised; prompts as tokens. */
import { ModelError } from '../../base/errors.ts';
import type { Pixels } from '../kernels/pixels.ts';
import { augment } from '../policy/augment.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { createImageProcessor, type ImageBytes } from '../policy/image-processor.ts';
import { promptFor } from '../policy/prompt.ts';
import { layoutSequence } from '../policy/sequence.ts';
import { normalizeActions, normalizeTrainingProprio, type DatasetStatistics } from '../policy/statistics.ts';
import type { Tokenize } from '../policy/tokenizer.ts';
import { joined, type Sample } from './micro-batch.ts';
import type { SampleSource } from './trainer.ts';

/** What training needs of an episode; `src/episodes` has readers that give it. */
export interface DemonstrationEpisode {
  readonly index: number;
  readonly length: number;
  readonly instruction: string;
  /** One a step where they differ inside the episode. */
  readonly instructions?: readonly string[] | null;
  /** [length · dim], as recorded. */
  readonly actions: Float32Array;
  /** [length · dim], as recorded; null where none was. */
  readonly state: Float32Array | null;
  frame(camera: string, step: number): Promise<ImageBytes>;
  close(): void;
}

export interface Demonstrations {
  readonly episodes: readonly {
    readonly index: number;
    readonly length: number;
    readonly instruction: string;
    /** Every task in it, where there are several. */
    readonly tasks?: readonly string[];
  }[];
  open(index: number): Promise<DemonstrationEpisode>;
}

export interface DemonstrationOptions {
  readonly config: PolicyConfig;
  readonly tokenize: Tokenize;
  readonly statistics: DatasetStatistics;
  /** Camera of each image slot. */
  readonly cameras: readonly string[];
  /** Indices of the episodes to take; default all. */
  readonly episodes?: readonly number[];
  /** How often an episode's steps come up in an epoch; default once each. A whole number. */
  readonly weight?: (index: number) => number;
  /** Most bytes of resized frames kept in memory; default 512 MB. */
  readonly cacheBytes?: number;
}

const OPEN_EPISODES = 4;
const CACHE_BYTES = 512 * 2 ** 20;

/**
 * Every step that has a whole chunk of actions ahead is a sample (traj_transforms.py chunk_act_obs: the last chunk − 1 steps
 * are none).
 */
export class DemonstrationSource implements SampleSource {
  readonly count: number;
  readonly tokens: number;
  readonly #of: Demonstrations;
  readonly #options: DemonstrationOptions;
  /** Episode index and first sample of each episode taken. */
  readonly #starts: { index: number; first: number }[] = [];
  readonly #prompts = new Map<string, number[]>();
  readonly #open = new Map<number, Promise<DemonstrationEpisode>>();
  readonly #frames: FrameCache;
  readonly #resize: (image: ImageBytes) => Pixels;
  readonly #process: (image: ImageBytes) => Float32Array;

  constructor(of: Demonstrations, options: DemonstrationOptions) {
    const { config, episodes, weight = () => 1 } = options;
    this.#of = of;
    this.#options = options;
    const { chunkSize } = config.profile;
    let count = 0;
    let tokens = 0;
    for (const { index, length, instruction, tasks } of of.episodes) {
      if (episodes && !episodes.includes(index)) continue;
      for (let copy = 0; copy < weight(index); copy++) {
        this.#starts.push({ index, first: count });
        count += Math.max(0, length - chunkSize + 1);
      }
      for (const task of [instruction, ...(tasks ?? [])]) tokens = Math.max(tokens, this.#tokensOf(task));
    }
    this.count = count;
    this.tokens = tokens;
    this.#frames = new FrameCache(options.cacheBytes ?? CACHE_BYTES);
    // Upstream resizes when it reads, then augments, then normalises; there is no center crop in training.
    const resizing = createImageProcessor(config.preprocessor, { centerCrop: false, policyResize: true });
    this.#resize = (image) => resizing.process(image).seen;
    const normalizing = createImageProcessor(config.preprocessor, { centerCrop: false, policyResize: false });
    this.#process = (image) => normalizing.process(image).pixelValues;
  }

  async sample(index: number, augmentation: readonly number[] | null): Promise<Sample> {
    const { config, statistics, cameras } = this.#options;
    const { profile } = config;
    const { index: episodeIndex, step } = this.#locate(index);
    const episode = await this.#episode(episodeIndex);
    const pixels: Float32Array[] = [];
    for (const [slot, camera] of cameras.entries()) {
      const key = `${episodeIndex}/${step}/${camera}`;
      const resized = await this.#frames.get(key, async () =>
        this.#resize(await episode.frame(camera, step)),
      );
      const uniform = augmentation?.[slot];
      pixels.push(this.#process(uniform === undefined ? resized : augment(resized, uniform)));
    }
    const dim = profile.actions.length;
    requireNumbers(episode, 'action', episode.actions, step * dim, (step + profile.chunkSize) * dim);
    const actions = Array.from({ length: profile.chunkSize }, (_, i) =>
      normalizeActions(row(episode.actions, step + i, dim), statistics, profile),
    );
    return {
      pixels: joined(pixels),
      promptIds: this.#promptIds(this.#instructionAt(episode, step)),
      proprio: profile.state ? this.#proprio(episode, step) : null,
      actions: joined(actions),
    };
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    for (const episode of this.#open.values()) (await episode).close();
    this.#open.clear();
  }

  #proprio(episode: DemonstrationEpisode, step: number): Float32Array {
    const { config, statistics } = this.#options;
    const width = config.profile.state!.length;
    if (!episode.state) {
      throw new ModelError(
        'bad-input',
        'The policy takes the robot’s state, but this episode was recorded without.',
        'Record the state too, or train a policy without proprio.',
      );
    }
    requireNumbers(episode, 'state', episode.state, step * width, (step + 1) * width);
    const state = episode.state.subarray(step * width, (step + 1) * width);
    return normalizeTrainingProprio(state, statistics, config.profile);
  }

  #locate(sample: number): { index: number; step: number } {
    const at = this.#starts.findLast(({ first }) => first <= sample)!;
    return { index: at.index, step: sample - at.first };
  }

  #instructionAt(episode: DemonstrationEpisode, step: number): string {
    const instruction = episode.instructions?.[step] ?? episode.instruction;
    if (this.#tokensOf(instruction) <= this.tokens) return instruction;
    throw new ModelError(
      'bad-input',
      `Step ${step} of episode ${episode.index} has the task "${instruction}", which the list of episodes does not tell of.`,
      'The dataset changed since it was opened. Open it again.',
    );
  }

  #tokensOf(instruction: string): number {
    return layoutSequence(this.#promptIds(instruction), this.#options.config, 'training').inputIds.length;
  }

  #promptIds(instruction: string): number[] {
    const known = this.#prompts.get(instruction);
    const ids =
      known ?? this.#options.tokenize(promptFor(instruction, this.#options.config.network.language.kind));
    this.#prompts.set(instruction, ids);
    return ids;
  }

  async #episode(index: number): Promise<DemonstrationEpisode> {
    const known = this.#open.get(index);
    const episode = known ?? this.#of.open(index);
    this.#open.delete(index);
    this.#open.set(index, episode);
    for (const [other, opened] of this.#open) {
      if (this.#open.size <= OPEN_EPISODES) break;
      this.#open.delete(other);
      (await opened).close();
    }
    try {
      return await episode;
    } catch (error) {
      this.#open.delete(index);
      throw error;
    }
  }
}

/** A null or NaN that was recorded must not reach the weights, where a single one spoils a run. */
function requireNumbers(
  { index }: DemonstrationEpisode,
  field: string,
  values: Float32Array,
  start: number,
  end: number,
): void {
  if (values.subarray(start, end).every(Number.isFinite)) return;
  throw new ModelError(
    'bad-input',
    `The ${field} of episode ${index} has a value that is not a number.`,
    'Leave the episode out, or trim it to the steps before.',
  );
}

const row = (values: Float32Array, at: number, width: number): Float32Array =>
  values.subarray(at * width, (at + 1) * width);

/** Episodes for training and for validation: the last `fraction`, at least one where there are three or more. */
export function splitEpisodes(
  episodes: readonly { readonly index: number }[],
  fraction: number,
): { train: number[]; validation: number[] } {
  const indices = episodes.map(({ index }) => index);
  const wanted = fraction > 0 && indices.length >= 3 ? Math.max(1, Math.round(indices.length * fraction)) : 0;
  const cut = indices.length - Math.min(wanted, indices.length - 1);
  return { train: indices.slice(0, cut), validation: indices.slice(cut) };
}

/** Resized frames, the least recently used ones dropped beyond a number of bytes. */
class FrameCache {
  readonly #limit: number;
  readonly #frames = new Map<string, Pixels>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  async get(key: string, make: () => Promise<Pixels>): Promise<Pixels> {
    const frame = this.#frames.get(key) ?? (await make());
    if (!this.#frames.delete(key)) this.#bytes += frame.data.byteLength;
    this.#frames.set(key, frame);
    for (const [oldest, { data }] of this.#frames) {
      if (this.#bytes <= this.#limit || this.#frames.size === 1) break;
      this.#frames.delete(oldest);
      this.#bytes -= data.byteLength;
    }
    return frame;
  }
}
