import { AskedNotice } from './policy/asked-notice.tsx';
import { InUseBanner } from './policy/in-use-banner.tsx';
import { lazyPart } from './lazy-part.tsx';
import { useOfflineStore } from './offline.ts';
import { PolicyGate } from './policy/policy-gate.tsx';
import { usePolicyInfo } from './policy/policy-store.ts';
import { RunPage } from './run-page.tsx';
import { Masthead } from './status/masthead.tsx';
import { UndoBar } from './undo/undo-bar.tsx';
import { addressedShare, type Step } from './url-state.ts';
import { useViewStore } from './view-store.ts';

// What running a policy does not need is loaded when it is first asked for.
const DemonstrationsPage = lazyPart(() => import('./demonstrations/demonstrations-page.tsx'));
const FineTunePage = lazyPart(() => import('./finetune/finetune-page.tsx'));
const SharePage = lazyPart(() => import('./share/share-page.tsx'));

const ModelsPage = lazyPart(() => import('./models/models-page.tsx'));

const SharedBanner = lazyPart(
  async () => ({ default: (await import('./share/shared-banner.tsx')).SharedBanner }),
  <p className="waiting">Opening the shared link…</p>,
);

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
    case 'models':
      return <ModelsPage info={info} />;
    default:
      return <SharePage info={info} />;
  }
}

export function App() {
  const step = useViewStore((state) => state.step);
  const kept = useOfflineStore((state) => state.kept);
  return (
    <>
      <Masthead />
      <main className="page" id="main">
        {share && <SharedBanner />}
        <AskedNotice />
        <InUseBanner />
        {step === 'run' ? <RunPage /> : <Workspace key={step} step={step} />}
        <UndoBar />
      </main>
      <footer className="foot">
        <p>
          Nothing is sent anywhere unless you share it: camera frames, demonstrations, instructions and
          predictions stay on this device. Only the policy’s own files are fetched, and datasets whose address
          you give.{kept && ' This page also works offline.'}
        </p>
      </footer>
    </>
  );
}
