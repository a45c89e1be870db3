import { create } from 'zustand';
import type { Prediction } from '../../workers/boundary/contract.ts';

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
  /** Counts up whenever what a prediction was made from is gone. */
  inputs: number;
  /** `inputs` when the latest was asked for. */
  madeFrom: number;
  /** @param madeFrom `inputs` when it was asked for; default now */
  add: (prediction: ShownPrediction, timing: Timing, madeFrom?: number) => void;
  /** What predictions so far were made from is gone: one that is in flight comes too late. */
  outdate: () => void;
  /** Takes away a prediction whose inputs are gone, where no newer one is on its way. */
  settle: () => void;
  clear: () => void;
}

/** Rolling figures are over this many predictions. */
export const WINDOW = 20;

export const usePredictionStore = create<PredictionState>()((set, get) => ({
  latest: null,
  timings: [],
  inputs: 0,
  madeFrom: 0,
  add: (latest, timing, madeFrom) =>
    set(({ timings, inputs }) => ({
      latest,
      madeFrom: madeFrom ?? inputs,
      timings: [...timings.slice(-(WINDOW - 1)), timing],
    })),
  outdate: () => set(({ inputs }) => ({ inputs: inputs + 1 })),
  settle: () => {
    const { latest, madeFrom, inputs } = get();
    if (latest && madeFrom !== inputs) set({ latest: null });
  },
  clear: () => set({ latest: null, timings: [] }),
}));
