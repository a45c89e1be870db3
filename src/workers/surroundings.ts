import type { BackendChoice } from '../model/runtime/backend.ts';
import type { ModelError } from '../base/errors.ts';
import type { ReadPixels } from '../model/policy/observe.ts';
import type { Tokenize } from '../model/policy/tokenizer.ts';
import type { Runtime } from '../model/runtime/runtime.ts';
import type { KernelReport } from '../model/runtime/webgpu/kernel-report.ts';
import type { Fetch } from '../model/weights/download.ts';
import type { ShardStore } from '../model/weights/shard-store.ts';
import type { BackendPreference } from './boundary/contract.ts';

/** What the policy worker takes from the browser; tests bring their own. */
export interface Surroundings {
  readonly packages: ShardStore;
  readonly runs: ShardStore;
  readonly fetch: Fetch;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
  chooseBackend(preference: BackendPreference): Promise<BackendChoice>;
  /**
   * @param onLost called once when the GPU is lost
   * @param takenOver why onnxruntime is to compute where our kernels would have; by default they do
   */
  startRuntime(
    preference: BackendPreference,
    onLost: (error: ModelError) => void,
    takenOver?: KernelReport,
  ): Promise<{ readonly runtime: Runtime; readonly choice: BackendChoice }>;
  createTokenizer(tokenizer: unknown): Promise<Tokenize>;
  /** Reads any frame's pixels where there is no GPU to take them from. */
  readonly readPixels: ReadPixels;
  /** Null where the browser does not tell. */
  readonly deviceMemoryGib: number | null;
  storage(): Promise<{ readonly quota: number; readonly usage: number } | null>;
  /** How long to wait for a tab that was just closed to let go of a run, milliseconds. */
  readonly patienceMs: number;
}
