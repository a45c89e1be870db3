import { create } from 'zustand';
import type { Prediction } from '../../workers/contract.ts';

/** A prediction with what was asked; its images are kept by kept-frames.ts and seen-frames.ts. */
export interface ShownPrediction extends Omit<Prediction, 'seen'> {
  instruction: string;
  state: number[] | null;
  unnormKey: string;
  seed: number | null;
}

/** What the timing figures are made of. */
export interface Timing {
  stages: Prediction['stages'];
  elapsedMs: number;
  /** `performance.now()` when it arrived. */
  finishedAtMs: number;
  /** The first of a run follows a pause, which must not count into the rate. */
  startsRun: boolean;
}

interface PredictionState {
  latest: ShownPrediction | null;
  /** The last predictions, oldest first. */
  timings: Timing[];
  add: (prediction: ShownPrediction, timing: Timing) => void;
  clear: () => void;
}

/** Rolling figures are over this many predictions. */
export const WINDOW = 20;

export const usePredictionStore = create<PredictionState>()((set) => ({
  latest: null,
  timings: [],
  add: (latest, timing) =>
    set(({ timings }) => ({ latest, timings: [...timings.slice(-(WINDOW - 1)), timing] })),
  clear: () => set({ latest: null, timings: [] }),
}));
