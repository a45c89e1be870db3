import type { Episode } from '../episodes/dataset.ts';
import { reviewDataset } from '../episodes/quality/review.ts';
import { ModelError } from '../model/errors.ts';
import { normalizeActions } from '../model/policy/statistics.ts';
import { RunQueue } from '../model/runtime/run-queue.ts';
import type { AdaptersHost } from './adapters-host.ts';
import type { RawImage } from './contract.ts';
import type {
  ChunkCheck,
  DemonstrationsApi,
  DemonstrationsInfo,
  DemonstrationsSource,
  EpisodeEdits,
  EpisodeTrack,
  Finding,
  LeRobotForm,
  WriteTarget,
  WrittenDataset,
} from './contract-finetune.ts';
import { editDemonstrations, openDemonstrations, type OpenedDemonstrations } from './demonstrations.ts';
import { runGoesOn } from './lease.ts';
import type { PolicyLease } from './loaded-policy.ts';
import { predictWith } from './predict.ts';
import { writeDataset } from './written-dataset.ts';

/**
 * The demonstrations that are open in the worker: read, looked at, edited, checked against the policy. They are measured outside of turns,
 * which can take long; what is open changes inside one, so that no estimate and no run reads what was closed.
 */
export class DemonstrationsHost implements DemonstrationsApi {
  readonly #lease: PolicyLease;
  readonly #adapters: AdaptersHost;
  readonly #now: () => number;
  readonly #edits = new RunQueue();
  readonly #reads = new RunQueue();
  #opened: OpenedDemonstrations | null = null;
  #writing: AbortController | null = null;
  /** How often something was opened or closed: of two that are being opened the one asked for last counts. */
  #asked = 0;
  /** The episode looked at last: scrubbing asks for it again and again. */
  #shown: { readonly index: number; readonly episode: Episode } | null = null;

  constructor(lease: PolicyLease, adapters: AdaptersHost, now: () => number) {
    this.#lease = lease;
    this.#adapters = adapters;
    this.#now = now;
    lease.belongs(() => {
      this.#asked++;
      return this.#replace(null);
    });
  }

  get opened(): OpenedDemonstrations | null {
    return this.#opened;
  }

  async open(
    source: DemonstrationsSource,
    onProgress: (done: number, total: number) => void,
  ): Promise<DemonstrationsInfo> {
    this.#free();
    const mine = ++this.#asked;
    const opened = await openDemonstrations(source, this.#lease.facts.config, onProgress);
    try {
      await this.#lease.turn('switching', async () => {
        if (mine !== this.#asked) throw superseded();
        await this.#replace(opened);
      });
    } catch (error) {
      await opened.original.close();
      throw error;
    }
    return opened.info;
  }

  async close(): Promise<void> {
    this.#free();
    this.#asked++;
    await this.#lease.turn('switching', () => this.#replace(null));
  }

  /** One after the other, each on what the one before it left. */
  edit(changes: EpisodeEdits): Promise<DemonstrationsInfo> {
    return this.#edits.run(async () => {
      this.#free();
      const before = this.#open();
      const edits = { ...before.edits };
      for (const [index, change] of Object.entries(changes)) {
        edits[Number(index)] = { ...edits[Number(index)], ...change };
      }
      const edited = await editDemonstrations(before, edits, this.#lease.facts.config);
      await this.#lease.turn('switching', async () => {
        if (this.#opened !== before) throw superseded();
        this.#opened = edited;
      });
      return edited.info;
    });
  }

  /** Resolves when what was asked to be edited so far is. */
  async settled(): Promise<void> {
    await this.#edits.run(async () => undefined);
  }

  async review(onProgress: (done: number, total: number) => void): Promise<Finding[]> {
    const { dataset } = this.#open();
    if (dataset.episodes.length === 0) return [];
    const { profile, statistics, defaultUnnormKey } = this.#lease.facts.config;
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
    return this.#reads.run(async () => {
      const { actionNames, stateNames } = this.#open().original;
      const { length, actions, state, instructions, notes } = await this.#show(index);
      return {
        index,
        length,
        actionNames,
        actions: Float32Array.from(actions),
        stateNames,
        state: state && Float32Array.from(state),
        instructions,
        notes: notes ?? [],
      };
    });
  }

  async frames(index: number, camera: string, steps: readonly number[]): Promise<RawImage[]> {
    return this.#reads.run(async () => {
      const episode = await this.#show(index);
      const images: RawImage[] = [];
      for (const step of steps) images.push(await frameOf(episode, camera, step));
      return images;
    });
  }

  async check(index: number, step: number): Promise<ChunkCheck> {
    return this.#lease.turn('predicting', async (held, signal) => {
      const { info, dataset, edits } = this.#open();
      const { profile, statistics, defaultUnnormKey } = held.config;
      const dim = profile.actions.length;
      const episode = await this.#reads.run(() => this.#show(index));
      if (!(step >= 0 && step + profile.chunkSize <= episode.length)) {
        throw new ModelError(
          'bad-input',
          `Step ${step} of episode ${index} has fewer than ${profile.chunkSize} actions ahead of it; the episode has ${episode.length} steps.`,
          'Choose an earlier step.',
        );
      }
      const images = await this.#reads.run(() =>
        Promise.all(info.slots.map(({ camera }) => frameOf(episode, camera, step))),
      );
      const width = profile.state?.length ?? 0;
      const edited = dataset.episodes.find((one) => one.index === index) ?? episode;
      const observation = {
        images,
        // A new label is given for the whole episode.
        instruction:
          (edits[index]?.instruction === undefined && episode.instructions?.[step]) || edited.instruction,
        state: profile.state && [...episode.state!.subarray(step * width, (step + 1) * width)],
        unnormKey: defaultUnnormKey,
      };
      const own = this.#adapters.statistics;
      const predicted = await predictWith(held, observation, own, { now: this.#now, signal });
      const inForce = (own ?? statistics)[predicted.unnormKey]!;
      const recorded: number[][] = [];
      let sum = 0;
      for (let i = 0; i < profile.chunkSize; i++) {
        const row = episode.actions.subarray((step + i) * dim, (step + i + 1) * dim);
        recorded.push([...row]);
        normalizeActions(row, inForce, profile).forEach((value, j) => {
          sum += Math.abs(value - predicted.normalized[i]![j]!);
        });
      }
      return { predicted: predicted.actions, recorded, l1: sum / (profile.chunkSize * dim) };
    });
  }

  async write(
    to: WriteTarget,
    form: LeRobotForm,
    onProgress: (done: number, total: number) => void,
  ): Promise<WrittenDataset> {
    const { dataset } = this.#open();
    if (this.#writing) {
      throw new ModelError('busy', 'A dataset is being written already.', 'Wait until it is, or stop it.');
    }
    const writing = new AbortController();
    this.#writing = writing;
    try {
      return await writeDataset(dataset, to, form, { signal: writing.signal, onProgress });
    } catch (error) {
      // What was closed meanwhile fails in many ways.
      if (writing.signal.aborted) throw new ModelError('cancelled', 'Writing the dataset was cancelled.');
      throw error;
    } finally {
      this.#writing = null;
    }
  }

  async stopWriting(): Promise<void> {
    this.#writing?.abort();
  }

  /** In `#reads`, so that no episode is closed while a frame of it is decoded. */
  async #show(index: number): Promise<Episode> {
    if (this.#shown?.index !== index) {
      this.#leave();
      this.#shown = { index, episode: await this.#open().original.open(index) };
    }
    return this.#shown.episode;
  }

  #leave(): void {
    const shown = this.#shown;
    this.#shown = null;
    shown?.episode.close();
  }

  async #replace(opened: OpenedDemonstrations | null): Promise<void> {
    const before = this.#opened;
    this.#opened = opened;
    this.#writing?.abort();
    await this.#reads.run(async () => this.#leave());
    await before?.original.close();
  }

  /** @throws ModelError `busy` while a run reads the demonstrations */
  #free(): void {
    const { run } = this.#lease.state;
    if (run !== null) throw runGoesOn(run);
  }

  #open(): OpenedDemonstrations {
    if (this.#opened) return this.#opened;
    throw new ModelError('bad-input', 'No demonstrations are open.', 'Open or record some first.');
  }
}

async function frameOf(episode: Episode, camera: string, step: number): Promise<RawImage> {
  const { width, height, data } = await episode.frame(camera, step);
  return { width, height, data: data.slice() };
}

function superseded(): ModelError {
  return new ModelError('cancelled', 'Other demonstrations were opened, or these were closed, meanwhile.');
}

interface Percentiles {
  readonly q01: readonly number[];
  readonly q99: readonly number[];
}

const ranges = (names: readonly string[], { q01, q99 }: Percentiles) =>
  names.map((name, i) => ({ name, q01: q01[i]!, q99: q99[i]! }));
