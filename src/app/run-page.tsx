import { PolicyGate } from './policy/policy-gate.tsx';
import { usePolicyInfo } from './policy/policy-store.ts';
import { PracticePage } from './practice/practice-page.tsx';
import { ViewChoice } from './view-choice.tsx';
import { useViewStore } from './view-store.ts';
import { Workbench } from './workbench.tsx';

/** The policy at work: on the practice table, or on what cameras see. */
export function RunPage() {
  const view = useViewStore((state) => state.view);
  const info = usePolicyInfo();
  return (
    <>
      <ViewChoice label="What the policy works on" />
      {view === 'table' ? <PracticePage /> : info ? <Workbench info={info} /> : <PolicyGate />}
    </>
  );
}
