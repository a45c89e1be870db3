import { create } from 'zustand';
import type { TrialResult } from '../practice/practice-store.ts';
import type { Failure } from '../status/failure.ts';

/** Success of one policy on one task: trial by trial, the same seeds for all. */
export interface Side {
  readonly adapter: string | null;
  readonly trials: readonly TrialResult[];
  /** It is for another robot than stands at the table, so there is nothing to try. */
  readonly otherRobot?: true;
}

export interface Comparison {
  readonly task: string;
  readonly heldOut: boolean;
  readonly before: Side;
  readonly after: Side;
}

interface CompareState {
  comparisons: readonly Comparison[];
  running: boolean;
  /** The adapter that is in use again when it has ended; null for none. */
  backTo: string | null;
  /** Whether it begins by itself when a run is done. */
  byItself: boolean;
  failure: Failure | null;
}

/** Before and after fine-tuning, on the practice table. Changed by compare-session.ts only. */
export const useCompareStore = create<CompareState>()(() => ({
  comparisons: [],
  running: false,
  backTo: null,
  byItself: true,
  failure: null,
}));
