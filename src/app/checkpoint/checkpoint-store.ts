import { create } from 'zustand';
import type {
  BegunConversion,
  CheckpointChoices,
  CheckpointReport,
  CheckpointSource,
  ConvertProgress,
} from '../../workers/boundary/contract-convert.ts';
import type { Failure } from '../status/failure.ts';

export type CheckpointStatus =
  | { kind: 'idle' }
  | { kind: 'inspecting' }
  | { kind: 'described'; report: CheckpointReport }
  | { kind: 'converting'; report: CheckpointReport; progress: ConvertProgress | null; pausing: boolean }
  | { kind: 'paused'; report: CheckpointReport; progress: ConvertProgress | null }
  /** `report` is null where not even its configuration could be read. */
  | { kind: 'failed'; failure: Failure; report: CheckpointReport | null };

interface CheckpointState {
  source: CheckpointSource | null;
  choices: CheckpointChoices;
  status: CheckpointStatus;
  /** Conversions on this device that have not ended. */
  begun: readonly BegunConversion[];
}

/** A checkpoint that becomes a policy of this page. Changed by checkpoint-session.ts only. */
export const useCheckpointStore = create<CheckpointState>()(() => ({
  source: null,
  choices: { bits: 4 },
  status: { kind: 'idle' },
  begun: [],
}));
