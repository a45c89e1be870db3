import { Teach } from './finetune/teach.tsx';
import { PolicyGate } from './policy/policy-gate.tsx';
import { usePolicyInfo } from './policy/policy-store.ts';
import { Masthead } from './status/masthead.tsx';
import { useViewStore } from './view-store.ts';
import { Workbench } from './workbench.tsx';
import { PracticePage } from './practice/practice-page.tsx';

/** Before a policy is loaded the gate to it, afterwards the bench to use it on. */
function CameraPage() {
  const info = usePolicyInfo();
  return info ? <Workbench info={info} /> : <PolicyGate />;
}

export function App() {
  const view = useViewStore((state) => state.view);
  const info = usePolicyInfo();
  return (
    <>
      <Masthead />
      <main className="page" id="main">
        {view === 'table' ? <PracticePage /> : <CameraPage />}
        {info && <Teach info={info} />}
      </main>
      <footer className="foot">
        <p>
          Nothing is sent anywhere: camera frames, demonstrations, instructions and predictions stay on this
          device. Only the policy’s own files are fetched, and datasets whose address you give.
        </p>
      </footer>
    </>
  );
}
