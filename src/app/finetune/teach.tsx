import { lazy, Suspense } from 'react';
import type { PolicyInfo } from '../../workers/contract.ts';

const FineTunePanel = lazy(() => import('./finetune-panel.tsx'));

/** The place of fine-tuning on the page; what it needs is loaded after the rest. */
export function Teach({ info }: { info: PolicyInfo }) {
  return (
    <section className="teach" id="teach" aria-labelledby="teach-title">
      <h2 id="teach-title">Teach it</h2>
      <p className="section-hint">
        Fine-tune this policy on your own demonstrations, here on this device: LoRA on the network, and the
        action head and projectors, as OpenVLA-OFT’s finetune.py does it.
      </p>
      <Suspense fallback={<p className="waiting">Loading…</p>}>
        <FineTunePanel info={info} />
      </Suspense>
    </section>
  );
}
