import { create } from 'zustand';
import type { HoldReason, PracticeTask, TableReport } from '../../workers/boundary/contract-practice.ts';
import type { Failure } from '../status/failure.ts';

type TableStatus =
  | { kind: 'opening' }
  | { kind: 'open'; tasks: readonly PracticeTask[] }
  | { kind: 'failed'; failure: Failure };

export type PracticeRun =
  | { kind: 'idle' }
  /** The policy is at work; `by` tells who started it. */
  | { kind: 'running'; by: 'visitor' | 'show'; steps: number }
  /** Recorded actions are carried out again. */
  | { kind: 'replaying' }
  | { kind: 'stopping' }
  | { kind: 'trials'; done: number; total: number };

/** How the last run ended. */
export type Outcome =
  | { kind: 'none' }
  | { kind: 'success'; steps: number }
  | { kind: 'gave-up'; steps: number }
  | { kind: 'stopped' }
  /** The robot holds: nobody could see what it does. */
  | { kind: 'hidden' };

export interface TrialResult {
  readonly task: string;
  readonly seed: number;
  readonly success: boolean;
  readonly steps: number;
}

interface PracticeState {
  status: TableStatus;
  table: TableReport | null;
  /** The address asked for a table when the page was opened. */
  addressed: boolean;
  /** Whether success can be judged for what is asked. */
  judged: boolean;
  run: PracticeRun;
  outcome: Outcome;
  /** Why the robot stands still during a run; null while it moves. */
  held: HoldReason | null;
  failure: Failure | null;
  /** Blend overlapping chunks instead of carrying each out blindly. */
  ensembling: boolean;
  /** Predict the next chunk while this one is carried out. */
  ahead: boolean;
  /** Share of the largest step that an action may take, 0…1. */
  speedLimit: number;
  trials: readonly TrialResult[];
  /** What did them, for people. */
  trialsBy: string;
  /** Seed of the first trial's layout. */
  trialSeed: number;
  /** The visitor has dragged an object. */
  dragged: boolean;
  setTrialSeed: (trialSeed: number) => void;
}

export const usePracticeStore = create<PracticeState>()((set) => ({
  status: { kind: 'opening' },
  table: null,
  addressed: false,
  judged: false,
  run: { kind: 'idle' },
  outcome: { kind: 'none' },
  held: null,
  failure: null,
  ensembling: false,
  ahead: false,
  speedLimit: 1,
  trials: [],
  trialsBy: '',
  trialSeed: 1000,
  dragged: false,
  setTrialSeed: (trialSeed) => set({ trialSeed }),
}));
