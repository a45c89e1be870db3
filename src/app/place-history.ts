/** Back and Forward walk through the places of the page, and everything else in the address stays what it is now. */
import { useInstructionStore } from './instruction/instruction-store.ts';
import { usePolicyStore } from './policy/policy-store.ts';
import { usePracticeStore } from './practice/practice-store.ts';
import { addressedTable } from './practice/practice-session.ts';
import { readUrlState, writeUrlState } from './url-state.ts';
import { arriveAt, useViewStore, type Place } from './view-store.ts';

/**
 * @param mayGo whether the visitor may leave the place they are at
 * @returns ends it
 */
export function keepPlaceHistory(mayGo: (to: Place) => boolean): () => void {
  const unsubscribe = useViewStore.subscribe(({ step, view, chosen }, before) => {
    if (step === before.step && view === before.view) return;
    writeUrlState({ step, view }, chosen ? 'push' : 'replace');
  });
  const onPop = (): void => {
    const { step, view } = readUrlState();
    const now = useViewStore.getState();
    if (step === now.step && view === now.view) return;
    if (!mayGo({ step, view })) {
      // The browser is there already; the visitor stays.
      writeUrlState({ step: now.step, view: now.view, ...current() }, 'push');
      return;
    }
    arriveAt({ step, view });
    writeUrlState(current());
  };
  window.addEventListener('popstate', onPop);
  return () => {
    unsubscribe();
    window.removeEventListener('popstate', onPop);
  };
}

/** What an older entry of the history says otherwise. */
function current(): Parameters<typeof writeUrlState>[0] {
  const { url, backend } = usePolicyStore.getState();
  return {
    ...(url !== '' && { policyUrl: url }),
    backend,
    instruction: useInstructionStore.getState().text.trim(),
    table: addressedTable(usePracticeStore.getState().table),
  };
}
