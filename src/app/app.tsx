import { PolicyGate } from './policy/policy-gate.tsx';
import { usePolicyInfo } from './policy/policy-store.ts';
import { Masthead } from './status/masthead.tsx';
import { Workbench } from './workbench.tsx';

/** The page: before a policy is loaded the gate to it, afterwards the bench to use it on. */
export function App() {
  const info = usePolicyInfo();
  return (
    <>
      <Masthead />
      <main className="page" id="main">
        {info ? <Workbench info={info} /> : <PolicyGate />}
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
