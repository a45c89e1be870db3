import { create } from 'zustand';
import type { Failure } from '../status/failure.ts';

export type RecorderStatus =
  | { kind: 'idle' }
  /** Somebody steers; recording begins with the first movement. */
  | { kind: 'recording'; steps: number; achieved: boolean }
  | { kind: 'saving' };

interface RecorderState {
  status: RecorderStatus;
  /** How the last episode ended, for a line of text. */
  last: string;
  /** Whether tasks that the policy knows are mixed in before it is trained on what was recorded on the table. */
  mixIn: boolean;
  failure: Failure | null;
}

/** What was said of the last episode was of the other way to record. */
export function forgetLast(): void {
  useRecorderStore.setState({ last: '', failure: null });
}

/** Recording by hand, on the table or from cameras. Changed by the two sessions only. */
export const useRecorderStore = create<RecorderState>()(() => ({
  status: { kind: 'idle' },
  last: '',
  mixIn: true,
  failure: null,
}));
