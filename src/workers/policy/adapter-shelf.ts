import { ModelError } from '../../base/errors.ts';
import type { TrainedState } from '../../model/finetune/trained.ts';
import type { DatasetStatistics } from '../../model/policy/statistics.ts';
import { adapterId, sizeOfAdapter } from './adapter-id.ts';
import type { AdapterInfo, AdapterOrigin } from '../boundary/contract-adapters.ts';

export type ReadAgain = () => Promise<TrainedState>;

interface Known {
  readonly info: AdapterInfo;
  readonly byteLength: number;
  readonly statistics: Readonly<Record<string, DatasetStatistics>> | null;
  /** Null where its run was deleted, or never could be saved. */
  read: ReadAgain | null;
}

/** Numbers kept in memory, bytes; one adapter is kept however large it is. */
const MOST_BYTES = 512 * 2 ** 20;

/**
 * Adapters by id. All of them stay listed, but memory holds no more than some: the rest are read again from where they came from. One that
 * cannot be read again goes off the list when its memory is needed.
 */
export class AdapterShelf {
  readonly #most: number;
  readonly #known = new Map<string, Known>();
  /** Least recently used first. */
  readonly #states = new Map<string, TrainedState>();

  constructor(most = MOST_BYTES) {
    this.#most = most;
  }

  clear(): void {
    this.#known.clear();
    this.#states.clear();
  }

  list(): AdapterInfo[] {
    return [...this.#known.values()].map(({ info }) => info);
  }

  /** Bytes in memory. */
  get byteLength(): number {
    return [...this.#states.keys()].reduce((sum, id) => sum + this.#known.get(id)!.byteLength, 0);
  }

  /**
   * @param id `adapterId` of state and label
   * @param inUse id of the adapter that may not go off the list
   */
  put(
    id: string,
    state: TrainedState,
    from: { readonly label: string; readonly origin: AdapterOrigin; readonly read: ReadAgain | null },
    inUse: string | null,
  ): AdapterInfo {
    const { trainable, byteLength } = sizeOfAdapter(state);
    const robot = robotOf(state);
    const info = { id, label: from.label, step: state.step, trainable, origin: from.origin, robot };
    const own = state.statistics as Record<string, DatasetStatistics>;
    const statistics = Object.keys(own).length > 0 ? own : null;
    const read = from.read ?? this.#known.get(id)?.read ?? null;
    this.#known.set(id, { info, byteLength, statistics, read });
    this.#keep(id, state, inUse);
    return info;
  }

  info(id: string): AdapterInfo {
    return this.#need(id).info;
  }

  statistics(id: string): Readonly<Record<string, DatasetStatistics>> | null {
    return this.#known.get(id)?.statistics ?? null;
  }

  async state(id: string): Promise<TrainedState> {
    const known = this.#need(id);
    const state = this.#states.get(id) ?? (await this.#readAgain(known));
    this.#keep(id, state, id);
    return state;
  }

  forgetRun(run: string): void {
    for (const [id, known] of this.#known) {
      if (known.info.origin.kind !== 'run' || known.info.origin.run !== run) continue;
      known.read = null;
      if (!this.#states.has(id)) this.#known.delete(id);
    }
  }

  #keep(id: string, state: TrainedState, inUse: string | null): void {
    // Cleared while it was read: it belongs to the policy before.
    if (!this.#known.has(id)) return;
    this.#states.delete(id);
    this.#states.set(id, state);
    for (const other of this.#states.keys()) {
      if (this.byteLength <= this.#most || other === id) break;
      if (other === inUse) continue;
      this.#states.delete(other);
      if (!this.#known.get(other)!.read) this.#known.delete(other);
    }
  }

  async #readAgain({ info, read }: Known): Promise<TrainedState> {
    const name = `${info.label} at step ${info.step}`;
    try {
      const state = await read!();
      if ((await adapterId(state, info.label)) === info.id) return state;
    } catch (error) {
      throw new ModelError(
        'bad-file',
        `The adapter "${name}" is not in memory any more and cannot be read again: ${error instanceof Error ? error.message : String(error)}`,
        'Open or import it again, or use another checkpoint of its run.',
        { cause: error },
      );
    }
    throw new ModelError(
      'hash-mismatch',
      `The adapter "${name}" has been changed since it was opened.`,
      'Open or import it again.',
    );
  }

  #need(id: string): Known {
    const known = this.#known.get(id);
    if (known) return known;
    const names = this.list().map(({ label, step }) => `"${label}" at step ${step}`);
    throw new ModelError(
      'bad-input',
      `This adapter is not open any more. ${names.length > 0 ? `Open are ${names.join(', ')}.` : 'None is open.'}`,
      'Choose another one, or open it again.',
    );
  }
}

function robotOf({ own }: TrainedState): AdapterInfo['robot'] {
  if (!own) return null;
  const { name, actions, images } = own.profile;
  return { name, actions: actions.length, images: images.length, head: own.head };
}
