import { lazy, Suspense } from 'react';
import { InUseBanner } from './policy/in-use-banner.tsx';
import { PolicyGate } from './policy/policy-gate.tsx';
import { usePolicyInfo } from './policy/policy-store.ts';
import { RunPage } from './run-page.tsx';
import { Masthead } from './status/masthead.tsx';
import { addressedShare, type Step } from './url-state.ts';
import { useViewStore } from './view-store.ts';

// What running a policy does not need is loaded when it is first asked for.
const DemonstrationsPage = lazy(() => import('./demonstrations/demonstrations-page.tsx'));
const FineTunePage = lazy(() => import('./finetune/finetune-page.tsx'));
const SharePage = lazy(() => import('./share/share-page.tsx'));

const SharedBanner = lazy(async () => ({
  default: (await import('./share/shared-banner.tsx')).SharedBanner,
}));

const share = addressedShare();

/** The other steps need a policy: until there is one, the gate to it. */
function Workspace({ step }: { step: Exclude<Step, 'run'> }) {
  const info = usePolicyInfo();
  if (!info) return <PolicyGate />;
  switch (step) {
    case 'demonstrations':
      return <DemonstrationsPage info={info} />;
    case 'fine-tune':
      return <FineTunePage info={info} />;
    default:
      return <SharePage info={info} />;
  }
}

export function App() {
  const step = useViewStore((state) => state.step);
  return (
    <>
      <Masthead />
      <main className="page" id="main">
        {share && (
          <Suspense fallback={<p className="waiting">Opening the shared link…</p>}>
            <SharedBanner />
          </Suspense>
        )}
        <InUseBanner />
        {step === 'run' ? (
          <RunPage />
        ) : (
          <Suspense fallback={<p className="waiting">Loading…</p>}>
            <Workspace step={step} />
          </Suspense>
        )}
      </main>
      <footer className="foot">
        <p>
          Nothing is sent anywhere unless you share it: camera frames, demonstrations, instructions and
          predictions stay on this device. Only the policy’s own files are fetched, and datasets whose address
          you give.
        </p>
      </footer>
    </>
  );
}
