import type { PolicyConfig } from '../../model/policy/config.ts';
import type { Tokenize } from '../../model/policy/tokenizer.ts';
import type { WeightSource } from '../../model/network/loaded-weights.ts';
import type { Runtime } from '../../model/runtime/runtime.ts';
import type { Lease, Leased } from '../lease.ts';
import type { Variants } from './variants.ts';

/** What may be read of the loaded policy at any time: nothing of it lies on the device. */
export interface PolicyFacts {
  /** The base's, whatever lies over it. */
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
  readonly runtime: Runtime;
  /** The policy as it was loaded, what is in use, and what else lies over the same weights. */
  readonly variants: Variants;
}

export type PolicyLease = Lease<PolicyFacts, LoadedPolicy>;
