import { create } from 'zustand';
import type { Failure } from '../status/failure.ts';

export type RunStatus =
  | { kind: 'idle' }
  | { kind: 'once' }
  | { kind: 'streaming' }
  /** The last prediction of a run is still being computed. */
  | { kind: 'stopping' };

interface RunState {
  status: RunStatus;
  /** Why the last run ended by itself, or null. */
  failure: Failure | null;
  setStatus: (status: RunStatus) => void;
  setFailure: (failure: Failure | null) => void;
}

/** Whether predictions are being made. */
export const useRunStore = create<RunState>()((set) => ({
  status: { kind: 'idle' },
  failure: null,
  setStatus: (status) => set({ status }),
  setFailure: (failure) => set({ failure }),
}));
