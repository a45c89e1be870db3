import { optionsOf, readingText, type DatasetReading, type OpenOptions } from '../../episodes/reading.ts';
import { ModelError } from '../../base/errors.ts';
import {
  listCheckpoints,
  loadCheckpoint,
  loadLatestCheckpoint,
  type Checkpoint,
} from '../../model/finetune/checkpoints.ts';
import type { ShardStore } from '../../model/weights/shard-store.ts';
import type { RunInfo } from '../boundary/contract-finetune.ts';
import type { OpenedDemonstrations } from './demonstrations.ts';
import { runInfo } from './run-record.ts';

/** The runs on this device, each with its checkpoints. */
export class StoredRuns {
  readonly store: ShardStore;
  readonly #patienceMs: number;

  /** @param patienceMs how long to wait for another tab to let go of a run */
  constructor(store: ShardStore, patienceMs: number) {
    this.store = store;
    this.#patienceMs = patienceMs;
  }

  /** Those that can be resumed. */
  async list(): Promise<RunInfo[]> {
    const infos: RunInfo[] = [];
    for (const run of await this.store.packages()) {
      const all = await listCheckpoints(this.store, run);
      const newest = all.at(-1);
      const steps = all.map(({ step }) => step);
      const byteLength = all.reduce((sum, checkpoint) => sum + checkpoint.byteLength, 0);
      const info = newest && (await runInfo(this.store, { ...newest, byteLength }, steps));
      if (info) infos.push(info);
    }
    return infos;
  }

  async has(run: string): Promise<boolean> {
    return (await listCheckpoints(this.store, run)).length > 0;
  }

  /**
   * Does what changes a run while no other tab changes the same one.
   * @throws ModelError `busy` where another tab is training it
   */
  async exclusively<T>(run: string, task: () => Promise<T>): Promise<T> {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), this.#patienceMs);
    let begun = false;
    const begin = (): Promise<T> => {
      begun = true;
      clearTimeout(timer);
      return task();
    };
    try {
      return await this.store.exclusively(run, begin, patience.signal);
    } catch (error) {
      if (begun || !patience.signal.aborted) throw error;
      throw new ModelError(
        'busy',
        `The run "${run}" is being trained in another tab.`,
        'Choose another name for this run, or stop the other one first.',
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws ModelError `busy` where another tab is training it */
  async remove(run: string): Promise<void> {
    await this.exclusively(run, () => this.store.removePackage(run));
  }

  /** @param step null for the newest @throws ModelError `bad-file` where none is whole */
  async checkpoint(run: string, step: number | null): Promise<Checkpoint> {
    const checkpoint =
      step === null
        ? await loadLatestCheckpoint(this.store, run)
        : await loadCheckpoint(this.store, run, step);
    if (checkpoint) return checkpoint;
    throw new ModelError(
      'bad-file',
      `The run "${run}" has no checkpoint that is complete.`,
      'Delete the run and train again.',
    );
  }

  /**
   * Where a run goes on.
   * @param packageHash of the loaded policy
   * @throws ModelError `bad-input` where policy or demonstrations are not those it was started with, `bad-file` where no checkpoint is whole
   */
  async resumable(run: string, packageHash: string, opened: OpenedDemonstrations): Promise<Checkpoint> {
    const checkpoint = await loadLatestCheckpoint(this.store, run);
    const info = checkpoint && (await runInfo(this.store, { run, step: checkpoint.step, byteLength: 0 }));
    if (!checkpoint || !info) {
      throw new ModelError(
        'bad-file',
        `The run "${run}" has no complete checkpoint to resume from.`,
        'Start it again under another name.',
      );
    }
    if (info.packageHash !== packageHash) {
      throw new ModelError(
        'bad-input',
        `The run "${run}" was started from another policy (${info.packageUrl}).`,
        'Load that policy first.',
      );
    }
    if (info.demonstrations.fingerprint !== opened.info.fingerprint) {
      throw new ModelError(
        'bad-input',
        `The run "${run}" was trained on "${info.demonstrations.name}"; these are other demonstrations.`,
        'Open the same demonstrations again, unchanged.',
      );
    }
    requireReading(run, info.demonstrations.reading, opened.info.reading);
    return checkpoint;
  }
}

/**
 * The same files mean other numbers and pictures when they are read in another way.
 * @throws ModelError `bad-input` where they are read otherwise than the run read them
 */
function requireReading(run: string, recorded: OpenOptions | null, now: DatasetReading | null): void {
  if (!recorded || !now) return;
  const [then, today] = [readingText(recorded), readingText(optionsOf(now))];
  if (then === today) return;
  throw new ModelError(
    'bad-input',
    `The run "${run}" read these demonstrations as ${then}. Now they are read as ${today}.`,
    'Choose the same features and options as the run, under “Read as”.',
  );
}
