import { LoadedAdapter } from '../../model/finetune/loaded-adapter.ts';
import type { TrainedState } from '../../model/finetune/trained.ts';
import type { WeightSource } from '../../model/network/loaded-weights.ts';
import type { Adapter } from '../../model/network/adapter.ts';
import type { PolicyConfig } from '../../model/policy/config.ts';
import type { Observer } from '../../model/policy/observe.ts';
import { adaptedConfig, type OwnConfig } from '../../model/policy/own-config.ts';
import type { Policy } from '../../model/policy/policy.ts';

/** A policy with everything that predicting with it takes. */
export interface InUse {
  /** What it predicts, with the statistics it un-normalises by. */
  readonly config: PolicyConfig;
  /** Null for the base's own robot and head. */
  readonly own: OwnConfig | null;
  readonly policy: Policy;
  readonly observer: Observer;
}

/** What an adapter brings besides its numbers. */
type Brought = Pick<TrainedState, 'own' | 'statistics'>;

interface Options {
  readonly source: WeightSource;
  readonly observer: (config: PolicyConfig) => Observer;
  /** Hears of every change of what is in use. */
  readonly onChange: (config: PolicyConfig) => void;
}

/** Besides the base's: what is in use, and what was before a run. */
const MOST = 2;

/**
 * The policies over one base, and which of them is in use. One of another robot or head is made when it is first needed; nothing is loaded again. To be
 * called in turns of the lease.
 */
export class Variants {
  readonly base: InUse;
  readonly #options: Options;
  /** By what they are; the one made first is first. */
  readonly #made = new Map<string, Pick<InUse, 'policy' | 'observer'>>();
  #inUse: InUse;

  constructor(policy: Policy, observer: Observer, options: Options) {
    this.base = { config: policy.config, own: null, policy, observer };
    this.#options = options;
    this.#inUse = this.base;
  }

  get inUse(): InUse {
    return this.#inUse;
  }

  /** Makes it, but does not use it yet. @throws ModelError `unsupported` where the base lacks what its head takes */
  async get({ own, statistics }: Brought): Promise<InUse> {
    const { base } = this;
    const config = adaptedConfig(base.config, { own, statistics });
    if (!own) return { ...base, config };
    const key = JSON.stringify(own);
    const known = this.#made.get(key);
    if (known) return { config, own, ...known };
    const { source, observer } = this.#options;
    const policy = await base.policy.withConfig(config, source);
    const made = { policy, observer: observer(config) };
    this.#made.set(key, made);
    for (const [other, { policy: oldest }] of this.#made) {
      if (this.#made.size <= MOST) break;
      if (other === key || oldest === this.#inUse.policy) continue;
      this.#made.delete(other);
      await oldest.dispose();
    }
    return { config, own, ...made };
  }

  /** An adapter's tensors on the device. */
  load(state: TrainedState): LoadedAdapter {
    const { policy } = this.base;
    return new LoadedAdapter(policy.runtime, policy.config, state);
  }

  /** @param adapter what lies over it; undefined leaves that as it is */
  use(next: InUse, adapter?: Adapter | null): void {
    const before = this.#inUse;
    if (adapter !== undefined) next.policy.use(adapter);
    this.#inUse = next;
    // Whatever lay over it may be freed.
    if (before.policy !== next.policy) before.policy.use(null);
    this.#options.onChange(next.config);
  }

  async dispose(): Promise<void> {
    for (const { policy } of this.#made.values()) await policy.dispose();
    this.#made.clear();
  }
}
