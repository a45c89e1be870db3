import { create } from 'zustand';
import { readUrlState, type Step, type View } from './url-state.ts';

export interface Place {
  readonly step: Step;
  /** What the policy works on, in the steps that show it. */
  readonly view: View;
}

interface ViewState extends Place {
  /** Whether Back leads to the place before this one: not where the page itself chose it. */
  chosen: boolean;
  setStep: (step: Step) => void;
  setView: (view: View) => void;
}

type Guard = (to: Place) => boolean;
let mayGo: Guard = () => true;

/** Asked before the visitor goes to another place; what answers false keeps them where they are. */
export function guardPlaces(guard: Guard): void {
  mayGo = guard;
}

/** Which part of the page is shown. Kept in the address by place-history.ts. */
export const useViewStore = create<ViewState>()((set, get) => {
  const go = (change: Partial<Place>): void => {
    const { step, view } = get();
    const to = { step, view, ...change };
    if ((to.step !== step || to.view !== view) && mayGo(to)) set({ ...to, chosen: true });
  };
  return {
    step: readUrlState().step,
    view: readUrlState().view,
    chosen: false,
    setStep: (step) => go({ step }),
    setView: (view) => go({ view }),
  };
});

/** Goes somewhere without asking, and without a way back of its own: by Back or Forward, or before the visitor did anything. */
export function arriveAt(place: Partial<Place>): void {
  useViewStore.setState({ ...place, chosen: false });
}
