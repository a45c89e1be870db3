import type { Episode } from '../episodes/dataset.ts';
import { reviewDataset } from '../episodes/quality/review.ts';
import { ModelError } from '../model/errors.ts';
import type { Policy } from '../model/policy/policy.ts';
import { normalizeActions, type DatasetStatistics } from '../model/policy/statistics.ts';
import type { Observation, Prediction, RawImage } from './contract.ts';
import type {
  ChunkCheck,
  DemonstrationsInfo,
  DemonstrationsSource,
  EpisodeEdits,
  EpisodeTrack,
  Finding,
} from './contract-finetune.ts';
import { editDemonstrations, openDemonstrations, type OpenedDemonstrations } from './demonstrations.ts';

/** The demonstrations that are open in the worker: read, looked at, edited, checked against the policy. */
export class DemonstrationsHost {
  readonly #policy: () => Policy;
  readonly #inForce: () => Readonly<Record<string, DatasetStatistics>>;
  #opened: OpenedDemonstrations | null = null;
  /** The episode looked at last: scrubbing asks for it again and again. */
  #shown: { readonly index: number; readonly episode: Promise<Episode> } | null = null;

  /** @param inForce the statistics that predictions go by now: the policy's, or those of the adapter in use */
  constructor(policy: () => Policy, inForce: () => Readonly<Record<string, DatasetStatistics>>) {
    this.#policy = policy;
    this.#inForce = inForce;
  }

  get opened(): OpenedDemonstrations | null {
    return this.#opened;
  }

  async open(
    source: DemonstrationsSource,
    onProgress: (done: number, total: number) => void,
  ): Promise<DemonstrationsInfo> {
    const opened = await openDemonstrations(source, this.#policy().config, onProgress);
    await this.close();
    this.#opened = opened;
    return opened.info;
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await this.#leave();
    await opened?.original.close();
  }

  async edit(edits: EpisodeEdits): Promise<DemonstrationsInfo> {
    this.#opened = await editDemonstrations(this.#open(), edits, this.#policy().config);
    return this.#opened.info;
  }

  async review(onProgress: (done: number, total: number) => void): Promise<Finding[]> {
    const { dataset } = this.#open();
    if (dataset.episodes.length === 0) return [];
    const { profile, statistics, defaultUnnormKey } = this.#policy().config;
    const { action, proprio } = statistics[defaultUnnormKey]!;
    return reviewDataset(dataset, {
      chunkSize: profile.chunkSize,
      fps: profile.controlHz,
      policy: {
        actions: ranges(
          profile.actions.map(({ name }) => name),
          action,
        ),
        state:
          profile.state && proprio
            ? ranges(
                profile.state.map(({ name }) => name),
                proprio,
              )
            : null,
      },
      onProgress,
    });
  }

  async episode(index: number): Promise<EpisodeTrack> {
    const { actionNames, stateNames } = this.#open().original;
    const { length, actions, state } = await this.#show(index);
    return {
      index,
      length,
      actionNames,
      actions: Float32Array.from(actions),
      stateNames,
      state: state && Float32Array.from(state),
    };
  }

  async frames(index: number, camera: string, steps: readonly number[]): Promise<RawImage[]> {
    const episode = await this.#show(index);
    const images: RawImage[] = [];
    for (const step of steps) {
      const { width, height, data } = await episode.frame(camera, step);
      images.push({ width, height, data: data.slice() });
    }
    return images;
  }

  /** @param predict what the page's own predictions go through */
  async check(
    index: number,
    step: number,
    predict: (observation: Observation) => Promise<Prediction>,
  ): Promise<ChunkCheck> {
    const { info, dataset } = this.#open();
    const { config } = this.#policy();
    const { profile } = config;
    const episode = await this.#show(index);
    const dim = profile.actions.length;
    if (!(step >= 0 && step + profile.chunkSize <= episode.length)) {
      throw new ModelError(
        'bad-input',
        `Step ${step} of episode ${index} has no whole chunk of ${profile.chunkSize} actions ahead; it has ${episode.length} steps.`,
        'Choose an earlier step.',
      );
    }
    const images: RawImage[] = [];
    for (const { camera } of info.slots) {
      const { width, height, data } = await episode.frame(camera, step);
      images.push({ width, height, data: data.slice() });
    }
    const width = profile.state?.length ?? 0;
    const edited = dataset.episodes.find((one) => one.index === index) ?? episode;
    const { actions, normalized, unnormKey } = await predict({
      images,
      instruction: edited.instruction,
      state: profile.state && [...episode.state!.subarray(step * width, (step + 1) * width)],
      unnormKey: config.defaultUnnormKey,
    });
    const statistics = this.#inForce()[unnormKey];
    if (!statistics) {
      throw new ModelError(
        'missing-statistics',
        `The adapter was changed while it predicted: its statistics "${unnormKey}" are gone.`,
        'Ask again.',
      );
    }
    const recorded: number[][] = [];
    let sum = 0;
    for (let i = 0; i < profile.chunkSize; i++) {
      const row = episode.actions.subarray((step + i) * dim, (step + i + 1) * dim);
      recorded.push([...row]);
      normalizeActions(row, statistics, profile).forEach((value, j) => {
        sum += Math.abs(value - normalized[i]![j]!);
      });
    }
    return { predicted: actions, recorded, l1: sum / (profile.chunkSize * dim) };
  }

  async #show(index: number): Promise<Episode> {
    if (this.#shown?.index !== index) {
      await this.#leave();
      this.#shown = { index, episode: this.#open().original.open(index) };
    }
    const { episode } = this.#shown;
    try {
      return await episode;
    } catch (error) {
      this.#shown = null;
      throw error;
    }
  }

  async #leave(): Promise<void> {
    const shown = this.#shown;
    this.#shown = null;
    (await shown?.episode.catch(() => null))?.close();
  }

  #open(): OpenedDemonstrations {
    if (this.#opened) return this.#opened;
    throw new ModelError('bad-input', 'No demonstrations are open.', 'Open or record some first.');
  }
}

interface Percentiles {
  readonly q01: readonly number[];
  readonly q99: readonly number[];
}

const ranges = (names: readonly string[], { q01, q99 }: Percentiles) =>
  names.map((name, i) => ({ name, q01: q01[i]!, q99: q99[i]! }));
