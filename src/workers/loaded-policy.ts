import type { Policy } from '../model/policy/policy.ts';
import type { PolicyConfig } from '../model/policy/config.ts';
import type { Observer } from '../model/policy/observe.ts';
import type { Tokenize } from '../model/policy/tokenizer.ts';
import type { WeightSource } from '../model/network/loaded-weights.ts';
import type { Runtime } from '../model/runtime/runtime.ts';
import type { Lease, Leased } from './lease.ts';

/** What may be read of the loaded policy at any time: nothing of it lies on the device. */
export interface PolicyFacts {
  readonly config: PolicyConfig;
  readonly source: WeightSource;
  readonly tokenize: Tokenize;
  /** tokenizer.json's content. */
  readonly tokenizer: unknown;
  /** The package's name. */
  readonly name: string;
  readonly url: string;
  readonly hash: string;
}

/** The loaded policy, as a turn of the lease gives it. */
export interface LoadedPolicy extends PolicyFacts, Leased {
  readonly policy: Policy;
  readonly runtime: Runtime;
  readonly observer: Observer;
}

export type PolicyLease = Lease<PolicyFacts, LoadedPolicy>;
