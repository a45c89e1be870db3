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

/** How long a lesson takes on this machine. */
export type LessonLength =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'measuring' }
  | { readonly kind: 'known'; readonly task: string; readonly seconds: number };

/** Of the task itself; what is known is mixed in besides. What was measured in docs/measurements.md. */
export const DEMONSTRATIONS = 20;

interface TeachState {
  readonly length: LessonLength;
  readonly phase: TeachPhase;
  readonly task: string;
  /** The words that are taught. */
  readonly instruction: string;
}

/** Teaching one task of the table from beginning to end. Changed by teach-session.ts only. */
export const useTeachStore = create<TeachState>()(() => ({
  length: { kind: 'unknown' },
  phase: { kind: 'idle' },
  task: '',
  instruction: '',
}));

export function isTeaching(): boolean {
  return ['showing', 'training', 'waiting', 'trying'].includes(useTeachStore.getState().phase.kind);
}
