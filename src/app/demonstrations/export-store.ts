import { create } from 'zustand';
import type { LeRobotForm } from '../../workers/boundary/contract-demonstrations.ts';
import type { Failure } from '../status/failure.ts';

export type ExportStatus =
  | { readonly kind: 'none' }
  | { readonly kind: 'writing'; readonly to: string; readonly done: number; readonly total: number }
  /** @param url the repository's page on the Hub */
  | {
      readonly kind: 'written';
      readonly to: string;
      readonly url: string | null;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'failed'; readonly failure: Failure };

interface ExportState {
  readonly form: LeRobotForm;
  readonly status: ExportStatus;
}

/** Demonstrations as a LeRobot dataset: how they are to be written, and how far that is. */
export const useExportStore = create<ExportState>()(() => ({
  form: { version: 'v3.0', frames: 'video' },
  status: { kind: 'none' },
}));
