import { ModelError } from '../base/errors.ts';
import { RunQueue } from '../model/runtime/run-queue.ts';
import type { Cancellable, LeaseKind, LeaseState } from './boundary/contract-lease.ts';

/** What each state may be followed by. A run may be let in during a turn of somebody else: `training` then follows that turn. */
const NEXT: Readonly<Record<LeaseKind, readonly LeaseKind[]>> = {
  idle: ['loading', 'disposing'],
  loading: ['ready', 'idle'],
  ready: ['predicting', 'training', 'switching', 'loading', 'disposing'],
  predicting: ['ready', 'training'],
  training: ['ready', 'predicting'],
  switching: ['ready', 'training'],
  disposing: ['idle'],
};

/** What is leased. */
export interface Leased {
  /** Runs a task on it; whatever the task made is freed when it fails. */
  attempt<R>(task: () => Promise<R>): Promise<R>;
  dispose(): Promise<void>;
}

/** What a run has of the policy: turns, between which others have theirs. */
export interface Tenancy<T> {
  /** Aborted when the run is cancelled, and when another policy takes its place. Turns are given all the same, to save and to tidy up. */
  readonly signal: AbortSignal;
  readonly turn: <R>(task: (held: T) => Promise<R>) => Promise<R>;
  /** A turn to let go in. It is given whatever became of the device; what the task makes, it frees itself. */
  readonly letGo: (task: (held: T) => Promise<void>) => Promise<void>;
}

interface Tenant {
  readonly run: string;
  readonly stop: AbortController;
  readonly ended: Promise<unknown>;
}

interface Change {
  readonly kind: 'loading' | 'disposing';
  readonly stop: AbortController;
}

/**
 * The one policy, and who has it. Whatever touches the policy does so inside a turn; turns follow one another, so that nothing is swapped
 * or freed under a prediction or a step. What a turn needs of the policy is its argument: outside of turns only `facts` can be had.
 *
 * A run is a tenant: it takes many turns, and predictions are answered in between. Loading and disposing first stop whoever is there,
 * wait until they have let go, and let nobody in meanwhile.
 *
 * @typeParam F what may be read at any time
 */
export class Lease<F extends object, T extends F & Leased> {
  readonly #turns = new RunQueue();
  readonly #changes = new RunQueue();
  readonly #watchers = new Set<(state: LeaseState) => void>();
  readonly #belongings = new Set<() => Promise<void>>();
  readonly #stops: Record<'predicting' | 'switching', AbortController> = {
    predicting: new AbortController(),
    switching: new AbortController(),
  };
  #held: T | null = null;
  #tenant: Tenant | null = null;
  #change: Change | null = null;
  #kind: LeaseKind = 'idle';

  get state(): LeaseState {
    return { kind: this.#kind, run: this.#tenant?.run ?? null };
  }

  /** @throws ModelError `bad-input` without a policy */
  get facts(): F {
    return this.#need();
  }

  /** Calls back now and at every change. @returns ends it */
  watch(onState: (state: LeaseState) => void): () => void {
    this.#watchers.add(onState);
    onState(this.state);
    return () => this.#watchers.delete(onState);
  }

  /** What is to be freed with every policy, before it. */
  belongs(free: () => Promise<void>): void {
    this.#belongings.add(free);
  }

  /**
   * Waits its turn: while a run goes on, that is the end of the current step.
   * @throws ModelError `busy` while a policy is loaded or disposed of, and for `switching` while a run goes on; `cancelled` when it is
   *   cancelled, or another policy is loaded meanwhile
   */
  async turn<R>(
    activity: 'predicting' | 'switching',
    task: (held: T, signal: AbortSignal) => Promise<R>,
  ): Promise<R> {
    this.#admit(activity);
    const { signal } = this.#stops[activity];
    return this.#turns.run(async () => {
      if (signal.aborted) throw cancelled(activity);
      // A run may have begun while it waited.
      this.#admit(activity);
      const held = this.#need();
      return this.#as(activity, () => held.attempt(() => task(held, signal)));
    });
  }

  /**
   * Hands the policy to a run until `task` has ended.
   * @throws ModelError `busy` while another run has it, or a policy is loaded or disposed of
   */
  async train<R>(run: string, task: (tenancy: Tenancy<T>) => Promise<R>): Promise<R> {
    this.#admit('training');
    const stop = new AbortController();
    const letGo = <S>(step: (held: T) => Promise<S>): Promise<S> =>
      this.#turns.run(() => {
        if (this.#tenant !== tenant) throw new Error(`The run "${run}" took a turn after it had ended.`);
        const held = this.#need();
        return this.#as('training', () => step(held));
      });
    const turn = <S>(step: (held: T) => Promise<S>): Promise<S> =>
      letGo((held) => held.attempt(() => step(held)));
    // In a microtask, so that the tenant is there before the task begins.
    const result = Promise.resolve().then(() => task({ signal: stop.signal, turn, letGo }));
    const ended = result
      .catch(() => undefined)
      .then(() => {
        this.#tenant = null;
        this.#settle();
      });
    const tenant: Tenant = { run, stop, ended };
    this.#tenant = tenant;
    this.#settle();
    await ended;
    return result;
  }

  /**
   * Puts another policy in place of the one that is held; a load that goes on is cancelled. The old one stays until `open` calls `free`, and if
   * `open` fails before that.
   * @throws ModelError `cancelled`
   */
  load<R>(
    open: (control: {
      readonly signal: AbortSignal;
      readonly free: () => Promise<void>;
    }) => Promise<{ readonly held: T; readonly result: R }>,
  ): Promise<R> {
    return this.#replace('loading', async (signal) => {
      if (signal.aborted) throw cancelled('loading');
      const { held, result } = await open({ signal, free: () => this.#free() });
      await this.#free();
      this.#held = held;
      if (!signal.aborted) return result;
      await this.#free();
      throw cancelled('loading');
    });
  }

  async dispose(): Promise<void> {
    await this.#replace('disposing', () => this.#free());
  }

  cancel(what: Cancellable): void {
    if (what === 'loading') {
      if (this.#change?.kind === 'loading') this.#change.stop.abort();
    } else if (what === 'training') {
      this.#tenant?.stop.abort();
    } else {
      this.#stops[what].abort();
      this.#stops[what] = new AbortController();
    }
  }

  #replace<R>(kind: Change['kind'], task: (signal: AbortSignal) => Promise<R>): Promise<R> {
    this.cancel('loading');
    const change: Change = { kind, stop: new AbortController() };
    this.#change = change;
    for (const what of ['predicting', 'switching', 'training'] as const) this.cancel(what);
    return this.#changes.run(async () => {
      try {
        await this.#tenant?.ended;
        return await this.#turns.run(() => this.#as(kind, () => task(change.stop.signal)));
      } finally {
        if (this.#change === change) this.#change = null;
      }
    });
  }

  async #free(): Promise<void> {
    const held = this.#held;
    if (!held) return;
    try {
      for (const free of this.#belongings) await free();
    } finally {
      this.#held = null;
      await held.dispose();
    }
  }

  #need(): T {
    if (this.#held) return this.#held;
    throw new ModelError('bad-input', 'No policy is loaded.', 'Load one first.');
  }

  #admit(activity: 'predicting' | 'switching' | 'training'): void {
    if (this.#change) {
      const doing = this.#change.kind === 'loading' ? 'loaded' : 'closed';
      throw new ModelError('busy', `A policy is being ${doing}.`, 'Wait until that is done.');
    }
    this.#need();
    if (this.#tenant && activity !== 'predicting') throw runGoesOn(this.#tenant.run);
  }

  async #as<R>(kind: LeaseKind, task: () => Promise<R>): Promise<R> {
    this.#become(kind);
    try {
      return await task();
    } finally {
      this.#become(this.#resting);
    }
  }

  get #resting(): LeaseKind {
    if (this.#tenant) return 'training';
    return this.#held ? 'ready' : 'idle';
  }

  /** A run has begun or ended; in the middle of a turn that shows once the turn is over. */
  #settle(): void {
    if (this.#kind === 'ready' || this.#kind === 'training') this.#become(this.#resting);
    else this.#tell();
  }

  #become(kind: LeaseKind): void {
    if (kind !== this.#kind) {
      if (!NEXT[this.#kind].includes(kind)) throw new Error(`The lease went from ${this.#kind} to ${kind}.`);
      this.#kind = kind;
    }
    this.#tell();
  }

  #told = '';

  #tell(): void {
    const { state } = this;
    const now = JSON.stringify(state);
    if (now === this.#told) return;
    this.#told = now;
    for (const watcher of this.#watchers) watcher(state);
  }
}

/** @param run its name */
export function runGoesOn(run: string): ModelError {
  return new ModelError(
    'busy',
    `The run "${run}" is using the policy.`,
    'Stop it first, or wait until it is done.',
  );
}

const CANCELLED: Readonly<Record<Cancellable, string>> = {
  loading: 'Loading was cancelled.',
  predicting: 'The prediction was cancelled.',
  switching: 'Changing the adapter was cancelled.',
  training: 'The run was cancelled.',
};

export function cancelled(what: Cancellable): ModelError {
  return new ModelError(
    'cancelled',
    CANCELLED[what],
    what === 'loading' ? 'What was downloaded is kept.' : '',
  );
}
