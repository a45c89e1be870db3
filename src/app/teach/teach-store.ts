import { create } from 'zustand';
import type { TrialResult } from '../practice/practice-store.ts';
import type { Failure } from '../status/failure.ts';

export type TeachPhase =
  | { readonly kind: 'idle' }
  /** The expert shows the task, and what is known already. */
  | { readonly kind: 'showing' }
  | { readonly kind: 'training' }
  /** Trained; the trials wait until the table is on show. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'trying' }
  | {
      readonly kind: 'done';
      readonly before: readonly TrialResult[];
      readonly after: readonly TrialResult[];
    }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'stopped' };

interface TeachState {
  readonly phase: TeachPhase;
  readonly task: string;
  /** The words that are taught. */
  readonly instruction: string;
}

/** Teaching one task of the table from beginning to end. Changed by teach-session.ts only. */
export const useTeachStore = create<TeachState>()(() => ({
  phase: { kind: 'idle' },
  task: '',
  instruction: '',
}));

export function isTeaching(): boolean {
  return ['showing', 'training', 'waiting', 'trying'].includes(useTeachStore.getState().phase.kind);
}
