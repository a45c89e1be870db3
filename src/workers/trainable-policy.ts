import type { WeightSource } from '../model/network/loaded-weights.ts';
import type { Policy } from '../model/policy/policy.ts';
import type { Tokenize } from '../model/policy/tokenizer.ts';
import type { RunQueue } from '../model/runtime/run-queue.ts';
import type { Runtime } from '../model/runtime/runtime.ts';

/** The loaded policy, as fine-tuning needs it. */
export interface TrainablePolicy {
  readonly policy: Policy;
  readonly runtime: Runtime;
  readonly source: WeightSource;
  readonly tokenize: Tokenize;
  /** tokenizer.json's content. */
  readonly tokenizer: unknown;
  /** The package's name. */
  readonly name: string;
  readonly url: string;
  readonly hash: string;
  /** Held by whoever uses the policy: a prediction, a step. */
  readonly turn: RunQueue;
}
