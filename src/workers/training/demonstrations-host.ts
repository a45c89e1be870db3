import type { Episode } from '../../episodes/dataset.ts';
import { thinnedFrom } from '../../episodes/thinned-dataset.ts';
import { reviewDataset } from '../../episodes/quality/review.ts';
import { ModelError } from '../../base/errors.ts';
import type { PolicyConfig } from '../../model/policy/config.ts';
import { sameShape } from '../../model/policy/own-config.ts';
import { normalizeActions, statisticsFor } from '../../model/policy/statistics.ts';
import { RunQueue } from '../../model/runtime/run-queue.ts';
import type { AdaptersHost } from '../policy/adapters-host.ts';
import type { RawImage } from '../boundary/contract.ts';
import type {
  ChunkCheck,
  DemonstrationsApi,
  DemonstrationsInfo,
  DemonstrationsSource,
  EpisodeEdits,
  EpisodeTrack,
  Finding,
  RobotChoice,
  LeRobotForm,
  WriteTarget,
  WrittenDataset,
} from '../boundary/contract-demonstrations.ts';
import {
  changeDemonstrations,
  openDemonstrations,
  type OpenedDemonstrations,
  type Policies,
} from './demonstrations.ts';
import { runGoesOn } from '../lease.ts';
import type { PolicyLease } from '../policy/loaded-policy.ts';
import { predictByKey, predictWith } from '../policy/predict.ts';
import { targetFor, type Target } from './robot-choice.ts';
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
    // Reading goes on no longer than it is asked for.
    const report = (done: number, total: number): void => {
      if (mine !== this.#asked) throw superseded();
      onProgress(done, total);
    };
    const opened = await openDemonstrations(source, this.#policies, report);
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
      return this.#change(before, { edits });
    });
  }

  async as(robot: RobotChoice | null, startFrom: string | null): Promise<DemonstrationsInfo> {
    return this.#edits.run(async () => {
      this.#free();
      const before = this.#open();
      return this.#change(before, { target: await this.#target(robot, startFrom) });
    });
  }

  /**
   * Sees to it that they are measured for what a run trains.
   * @param config of a stored run that goes on; null for a new one
   */
  async prepare(robot: RobotChoice | null, startFrom: string | null, config?: PolicyConfig): Promise<void> {
    await this.#edits.run(async () => {
      const before = this.#opened;
      if (!before) return;
      const target = config ? { config, robot, startFrom } : await this.#target(robot, startFrom);
      if (factsOf(target) === factsOf(before.target) && sameShape(target.config, before.target.config))
        return;
      this.#free();
      await this.#change(before, { target });
    });
  }

  async #target(robot: RobotChoice | null, startFrom: string | null): Promise<Target> {
    const base = this.#lease.facts.config;
    if (robot) return targetFor(base, robot, startFrom);
    const config = startFrom === null ? base : await this.#adapters.configOf(startFrom);
    return { config, robot: null, startFrom };
  }

  async #change(
    before: OpenedDemonstrations,
    change: Parameters<typeof changeDemonstrations>[1],
  ): Promise<DemonstrationsInfo> {
    const changed = await changeDemonstrations(before, change, this.#policies);
    await this.#lease.turn('switching', async () => {
      if (this.#opened !== before) throw superseded();
      this.#opened = changed;
    });
    return changed.info;
  }

  get #policies(): Policies {
    return { base: this.#lease.facts.config, other: this.#adapters.other };
  }

  /** Resolves when what was asked to be edited so far is. */
  async settled(): Promise<void> {
    await this.#edits.run(async () => undefined);
  }

  async review(onProgress: (done: number, total: number) => void): Promise<Finding[]> {
    const { dataset, target } = this.#open();
    if (dataset.episodes.length === 0) return [];
    const { profile, statistics, defaultUnnormKey } = target.config;
    const { action, proprio } = statistics[defaultUnnormKey]!;
    const about = { chunkSize: profile.chunkSize, fps: profile.controlHz, onProgress };
    // Of a new robot there is nothing to compare with yet.
    if (target.robot) return reviewDataset(dataset, about);
    return reviewDataset(dataset, {
      ...about,
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

  async check(index: number, step: number, everyKey = false): Promise<ChunkCheck> {
    return this.#lease.turn('predicting', async (held, signal) => {
      const { info, dataset, target, edits } = this.#open();
      const { config } = held.variants.inUse;
      const { profile, defaultUnnormKey } = config;
      if (!sameShape(config, target.config)) throw otherRobot(config, target.config);
      const dim = profile.actions.length;
      const episode = await this.#reads.run(async () => {
        const shown = await this.#show(index);
        return this.#thinned(shown, step);
      });
      if (!(step >= 0 && profile.chunkSize <= episode.ahead)) {
        throw new ModelError(
          'bad-input',
          `Step ${step} of episode ${index} has fewer than ${profile.chunkSize} actions ahead of it; the episode has ${episode.length} steps.`,
          'Choose an earlier step.',
        );
      }
      const shown = await this.#reads.run(() => this.#show(index));
      const images = await this.#reads.run(() =>
        Promise.all(info.slots.map(({ camera }) => frameOf(shown, camera, step))),
      );
      const width = profile.state?.length ?? 0;
      const edited = dataset.episodes.find((one) => one.index === index) ?? shown;
      const observation = {
        images,
        // A new label is given for the whole episode.
        instruction:
          (edits[index]?.instruction === undefined && shown.instructions?.[step]) || edited.instruction,
        state: profile.state && [...shown.state!.subarray(step * width, (step + 1) * width)],
        unnormKey: defaultUnnormKey,
      };
      const predicted = await predictWith(held, observation, { now: this.#now, signal });
      const inForce = statisticsFor(config.statistics, predicted.unnormKey);
      const recorded: number[][] = [];
      let sum = 0;
      for (let i = 0; i < profile.chunkSize; i++) {
        const row = episode.actions.subarray(i * dim, (i + 1) * dim);
        recorded.push([...row]);
        normalizeActions(row, inForce, profile).forEach((value, j) => {
          sum += Math.abs(value - predicted.normalized[i]![j]!);
        });
      }
      const steps = recorded.map((_, i) => step + Math.round(i * episode.ratio));
      const l1 = sum / (profile.chunkSize * dim);
      const { actions, unnormKey } = predicted;
      const byKey = everyKey
        ? await predictByKey(held, observation, predicted, { now: this.#now, signal })
        : [];
      return { predicted: actions, recorded, steps, l1, unnormKey, byKey };
    });
  }

  /** What is done from a recorded step on, at the rate that is trained. */
  #thinned(
    episode: Episode,
    step: number,
  ): { actions: Float32Array; ahead: number; length: number; ratio: number } {
    const { original, info, target } = this.#open();
    const { length } = episode;
    const dim = original.actionNames.length;
    const rest = episode.actions.subarray(step * dim);
    const { thinning: rates } = info.robot;
    if (!rates) return { actions: rest, ahead: length - step, length, ratio: 1 };
    const ratio = rates.from / rates.to;
    const as = target.robot?.thinnedAs ?? info.robot.guess?.thinnedAs ?? [];
    const actions = thinnedFrom(rest, ratio, as);
    return { actions, ahead: actions.length / dim, length, ratio };
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

const factsOf = ({ robot, config }: Target): string => JSON.stringify([robot, config.profile, config.head]);

const sizesOf = ({ profile: { actions, images } }: PolicyConfig): string =>
  `${actions.length} action values and ${images.length} ${images.length === 1 ? 'image' : 'images'}`;

function otherRobot(inUse: PolicyConfig, target: PolicyConfig): ModelError {
  return new ModelError(
    'bad-input',
    `What predicts now is for ${inUse.profile.name}, with ${sizesOf(inUse)}; these demonstrations are of another robot, with ${sizesOf(target)}.`,
    'Train on them first, or choose an adapter that was trained for this robot.',
  );
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
