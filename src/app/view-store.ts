import { create } from 'zustand';
import { readUrlState, type View } from './url-state.ts';

interface ViewState {
  view: View;
  setView: (view: View) => void;
}

/** Which half of the page is shown. Kept in the address by wire-stores.ts. */
export const useViewStore = create<ViewState>()((set) => ({
  view: readUrlState().view,
  setView: (view) => set({ view }),
}));
