import { create } from 'zustand';
import { readUrlState, type Step, type View } from './url-state.ts';

interface ViewState {
  step: Step;
  /** What the policy works on, in the steps that show it. */
  view: View;
  setStep: (step: Step) => void;
  setView: (view: View) => void;
}

/** Which part of the page is shown. Kept in the address by wire-stores.ts. */
export const useViewStore = create<ViewState>()((set) => ({
  step: readUrlState().step,
  view: readUrlState().view,
  setStep: (step) => set({ step }),
  setView: (view) => set({ view }),
}));
