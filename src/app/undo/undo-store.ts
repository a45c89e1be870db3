/** What the visitor did and may take back: the same words and the same gesture for recordings, datasets, adapters and the table. */
import { create } from 'zustand';
import { toFailure, type Failure } from '../status/failure.ts';
import type { Step } from '../url-state.ts';

/** What a change is about, and where on the page that is shown. */
const SHOWN: Readonly<Record<About, readonly Step[]>> = {
  table: ['run', 'demonstrations'],
  demonstrations: ['demonstrations'],
  adapters: ['fine-tune', 'models'],
  links: ['share'],
};
export type About = 'table' | 'demonstrations' | 'adapters' | 'links';

export interface Change {
  /** In a sentence: "Episode 3 deleted." */
  readonly said: string;
  readonly about: About;
  /** @throws what it fails with */
  readonly undo: () => Promise<unknown>;
}

interface UndoState {
  /** The newest last. */
  readonly changes: readonly Change[];
  /** What is said of the last change, or of taking it back; null where the visitor has put it away. */
  readonly said: { readonly about: About; readonly text: string } | null;
  readonly undoing: boolean;
  readonly failure: Failure | null;
}

/** Those before are forgotten. */
const MOST = 50;

export const useUndoStore = create<UndoState>()(() => ({
  changes: [],
  said: null,
  undoing: false,
  failure: null,
}));

const set = useUndoStore.setState;

/** To be called when it is done. */
export function canUndo(change: Change): void {
  const { said, about } = change;
  set(({ changes }) => ({
    changes: [...changes, change].slice(-MOST),
    said: { about, text: said },
    failure: null,
  }));
}

/** What it is about is gone, or another: there is nothing to take back. */
export function forgetChanges(about: About): void {
  set(({ changes, said }) => ({
    changes: changes.filter((change) => change.about !== about),
    said: said?.about === about ? null : said,
  }));
}

let whyNot: () => string | null = () => null;

/** Asked before anything is taken back: what goes on that must not be disturbed; null where nothing does. */
export function guardUndo(guard: () => string | null): void {
  whyNot = guard;
}

export const isShown = (about: About, step: Step): boolean => SHOWN[about].includes(step);

/** The newest change that is about something on show. */
export function lastChange({ changes }: UndoState, step: Step): Change | null {
  return changes.findLast(({ about }) => isShown(about, step)) ?? null;
}

/** Takes back the newest change of what is shown at a step; one at a time. */
export async function undoLast(step: Step): Promise<void> {
  const state = useUndoStore.getState();
  const change = lastChange(state, step);
  if (!change || state.undoing) return;
  const { about } = change;
  const busy = whyNot();
  if (busy !== null) {
    set({ said: { about, text: `${busy} Undo when that has ended.` } });
    return;
  }
  set({ undoing: true, changes: state.changes.filter((one) => one !== change), failure: null });
  try {
    await change.undo();
    set({ said: { about, text: `Undone: ${change.said}` } });
  } catch (error) {
    set({ said: { about, text: `Not undone: ${change.said}` }, failure: toFailure(error) });
  } finally {
    set({ undoing: false });
  }
}

/** Puts the words away; the keys still work. */
export function putAway(): void {
  set({ said: null, failure: null });
}
