import type { Encoders } from '../../convert/encoders.ts';
import type { PlanSizes } from '../../convert/plan.ts';
import type { BackendChoice } from '../../model/runtime/backend.ts';
import type { ShardStore } from '../../model/weights/shard-store.ts';

/** What the converting worker takes from the browser; tests bring their own. */
export interface ConvertSurroundings {
  readonly packages: ShardStore;
  readonly fetch: typeof globalThis.fetch;
  /** Where the Hub is; default https://huggingface.co. */
  readonly hubUrl?: string;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
  /** Of these, `startEncoders` starts as many. */
  readonly threads: number;
  startEncoders(): Encoders;
  chooseBackend(): Promise<BackendChoice>;
  readonly deviceMemoryGib: number | null;
  storage(): Promise<{ readonly quota: number; readonly usage: number } | null>;
  /** Smaller ones, for tests. */
  readonly sizes?: PlanSizes & { readonly keepBytes?: number };
  /** How long to wait before a host is asked again; default as long as is polite. */
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}
